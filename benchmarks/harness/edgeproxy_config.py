"""An edgeproxy.yaml for a benchmark: every model on every upstream endpoint, everything on."""

from collections.abc import Iterable, Sequence
from pathlib import Path

HEAD = """\
server:
  listen: 127.0.0.1:{port}
  ops: 127.0.0.1:{ops_port}
  workers: {workers}
  door: {door}
  limits: {{ max_connections: 20000, connections_per_address: 20000 }}
  drain: {{ accept_for: 0s, timeout: 1s }}
log: {{ access: {access_log}, format: json }}
timeouts: {{ first_event: {first_event_s}s, stall: {stall_s}s }}
"""
PRICE = '{ prompt: "0.0000001", completion: "0.0000004" }'


def edgeproxy_config(
    *,
    port: int,
    ops_port: int,
    upstream_urls: Sequence[str],
    models: Iterable[str],
    key_digests: Iterable[str],
    access_log: Path,
    ca_file: Path | None = None,
    workers: str = "1",
    door: str = "express",
    first_event_s: float = 30,
    stall_s: float = 60,
) -> str:
    head = HEAD.format(
        port=port,
        ops_port=ops_port,
        workers=workers,
        door=door,
        access_log=access_log,
        first_event_s=first_event_s,
        stall_s=stall_s,
    )
    trusted = f", ca_file: {ca_file}" if ca_file else ""
    lines = [head, "providers:"]
    lines += [
        f"  - {{ name: up{i}, base_url: {url}/v1, api_key: sk-upstream-{i}{trusted} }}"
        for i, url in enumerate(upstream_urls)
    ]
    lines.append("models:")
    for model in models:
        lines += [f"  - id: {model}", "    endpoints:"]
        lines += [
            f"      - {{ provider: up{i}, model: bench-model, price: {PRICE} }}" for i in range(len(upstream_urls))
        ]
    lines.append("keys:")
    lines += [f'  - {{ name: bench-{i}, sha256: "{digest}" }}' for i, digest in enumerate(key_digests)]
    return "\n".join(lines) + "\n"
