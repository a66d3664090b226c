"""What a worker needs of the settings. A running worker keeps its own: a replaced one gets the newest."""

from edgeproxy.control.config import Settings
from edgeproxy.node.channel import WorkerSettings


def settings_for_worker(settings: Settings) -> WorkerSettings:
    limits = settings.server.limits
    return WorkerSettings(
        max_body=limits.max_body,
        max_connections=limits.max_connections,
        connections_per_address=limits.connections_per_address,
        header_s=limits.header_timeout,
        body_s=limits.body_timeout,
        keepalive_s=limits.keepalive_timeout,
        attempts=settings.routing.attempts,
        deadline_s=settings.routing.deadline,
        slow_reader_s=limits.slow_reader,
        retry_budget_ppm=settings.routing.retry_budget,
        log_format=settings.log.format,
        door=settings.server.door,
    )
