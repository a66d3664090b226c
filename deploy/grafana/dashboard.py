"""Write edgeproxy.json, the Grafana dashboard: `python deploy/grafana/dashboard.py`. Edit here, never the JSON."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("edgeproxy.json")
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
NODE = 'instance=~"$instance"'
PROVIDER = f'{NODE}, provider=~"$provider"'
PAIR = f'{PROVIDER}, model=~"$model"'
FROM_PAIR = PAIR.replace("provider=", "from_provider=", 1)
FAILED = f'{NODE}, status="5xx"'
BILLED = f'{PAIR}, side="billed"'
WIDTH = 24


@dataclass(frozen=True)
class Panel:
    """One picture: `queries` are (expression, legend)."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    is_stacked: bool = False
    about: str = ""


def rate(metric: str, labels: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}}}[$__rate_interval]))"


def percentile(share: float, metric: str, labels: str, by: str = "") -> str:
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, f'le, {by}' if by else 'le')})"


def percentiles(metric: str, labels: str, by: str = "") -> tuple[tuple[str, str], ...]:
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple((percentile(p, metric, labels, by), f"{legend}p{p * 100:g}") for p in (0.5, 0.95, 0.99))


def stat(title: str, expression: str, unit: str = "short") -> Panel:
    return Panel(title, ((expression, ""),), unit, "stat", 4)


REQUESTS = "edgeproxy_requests_total"
ATTEMPTS = "edgeproxy_upstream_requests_total"
COST = "edgeproxy_cost_usd_total"
TTFT = "edgeproxy_time_to_first_token_seconds"

ROWS: dict[str, tuple[Panel, ...]] = {
    "Now": (
        stat("Requests", rate(REQUESTS, NODE), "reqps"),
        stat("Open streams", f"sum(edgeproxy_streams_in_flight{{{NODE}}})"),
        stat("Errors", f"{rate(REQUESTS, FAILED)} / {rate(REQUESTS, NODE)}", "percentunit"),
        stat("First token, p95", percentile(0.95, TTFT, PAIR), "s"),
        stat("Cost an hour", f"3600 * {rate(COST, BILLED)}", "currencyUSD"),
        stat("Breakers not closed", f'sum(edgeproxy_breaker_state{{{PAIR}, state!="closed"}})'),
    ),
    "Users": (
        Panel("Requests by status", ((rate(REQUESTS, NODE, "status"), "{{status}}"),), "reqps", is_stacked=True),
        Panel("First token by model, p95", ((percentile(0.95, TTFT, PAIR, "model"), "{{model}}"),), "s"),
        Panel("Duration", percentiles("edgeproxy_request_duration_seconds", NODE), "s"),
        Panel("Refused before routing", ((rate("edgeproxy_rejected_total", NODE, "reason"), "{{reason}}"),), "reqps"),
        Panel(
            "Clients that left",
            ((rate("edgeproxy_client_disconnects_total", NODE, "phase"), "{{phase}}"),),
            "reqps",
        ),
        Panel("Request body", percentiles("edgeproxy_request_body_bytes", NODE), "bytes"),
    ),
    "Providers": (
        Panel("Share of attempts", ((rate(ATTEMPTS, PAIR, "provider"), "{{provider}}"),), "reqps", is_stacked=True),
        Panel(
            "Errors",
            (
                (
                    rate("edgeproxy_upstream_errors_total", PROVIDER, "provider, error_type"),
                    "{{provider}} {{error_type}}",
                ),
            ),
            "reqps",
        ),
        Panel(
            "First byte, p95",
            (
                (
                    percentile(0.95, "edgeproxy_upstream_time_to_first_byte_seconds", PROVIDER, "provider"),
                    "{{provider}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Breakers",
            (
                (
                    f'max by (provider, model, state) (edgeproxy_breaker_state{{{PAIR}, state!="closed"}}) == 1',
                    "{{provider}} {{model}} {{state}}",
                ),
            ),
            kind="state-timeline",
            about="A bar while the breaker of a provider's endpoint is in a state other than closed.",
        ),
        Panel(
            "Fallbacks",
            (
                (
                    rate("edgeproxy_fallbacks_total", FROM_PAIR, "from_provider, error_type"),
                    "{{from_provider}} {{error_type}}",
                ),
            ),
            "reqps",
        ),
        Panel(
            "Streams broken after the first event",
            ((rate("edgeproxy_broken_streams_total", PROVIDER, "provider"), "{{provider}}"),),
            "reqps",
            about="No other provider can take these over: the client has read part of the answer.",
        ),
        Panel(
            "Why a provider was chosen",
            ((rate("edgeproxy_route_picks_total", PAIR, "reason"), "{{reason}}"),),
            "reqps",
            is_stacked=True,
            width=6,
        ),
        Panel(
            "Connections",
            ((f"sum by (provider, state) (edgeproxy_upstream_connections{{{PROVIDER}}})", "{{provider}} {{state}}"),),
            width=6,
        ),
        Panel(
            "Attempts on a connection that was open already",
            (
                (
                    f"1 - {rate('edgeproxy_upstream_dials_total', PROVIDER, 'provider')}"
                    f" / {rate('edgeproxy_upstream_requests_total', PROVIDER, 'provider')}",
                    "{{provider}}",
                ),
            ),
            "percentunit",
            width=6,
        ),
        Panel(
            "Breaker transitions",
            ((rate("edgeproxy_breaker_transitions_total", PROVIDER, "provider, state"), "{{provider}} {{state}}"),),
            "cps",
            width=6,
        ),
    ),
    "Tokens and money": (
        Panel("Tokens by type", ((rate("edgeproxy_tokens_total", PAIR, "type"), "{{type}}"),), "cps"),
        Panel(
            "Time per output token, p50",
            (
                (
                    percentile(0.5, "edgeproxy_time_per_output_token_seconds", PAIR, "model, provider"),
                    "{{model}} {{provider}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Cost an hour by model",
            ((f"3600 * {rate(COST, BILLED, 'model')}", "{{model}}"),),
            "currencyUSD",
            is_stacked=True,
        ),
        Panel(
            "Billed and paid, an hour",
            ((f"3600 * {rate(COST, PAIR, 'side')}", "{{side}}"),),
            "currencyUSD",
        ),
        Panel(
            "Usage estimated",
            ((rate("edgeproxy_usage_estimated_total", PROVIDER, "provider"), "{{provider}}"),),
            "reqps",
            about="Answers whose provider sent no usage: their cost is an estimate.",
        ),
        Panel(
            "Attempts that may have been charged twice",
            ((rate("edgeproxy_possible_duplicates_total", PROVIDER, "provider"), "{{provider}}"),),
            "reqps",
        ),
    ),
    "Gateway": (
        Panel("Overhead", percentiles("edgeproxy_overhead_seconds", NODE), "s"),
        Panel("Event loop lag", percentiles("edgeproxy_event_loop_lag_seconds", NODE), "s"),
        Panel(
            "In flight",
            (
                (f"sum(edgeproxy_requests_in_flight{{{NODE}}})", "requests"),
                (f"sum(edgeproxy_streams_in_flight{{{NODE}}})", "streams"),
            ),
        ),
        Panel(
            "Waiting for a lane",
            (
                (f"sum(edgeproxy_requests_waiting{{{NODE}}})", "waiting"),
                (rate("edgeproxy_shed_total", NODE, "reason"), "turned away a second: {{reason}}"),
            ),
        ),
        Panel(
            "CPU of the workers",
            ((rate("edgeproxy_worker_cpu_seconds_total", NODE, "instance, worker"), "{{instance}} {{worker}}"),),
            "percentunit",
        ),
        Panel(
            "Memory of the workers",
            ((f"edgeproxy_worker_resident_memory_bytes{{{NODE}}}", "{{instance}} {{worker}}"),),
            "bytes",
        ),
        Panel(
            "Descriptors of the workers",
            ((f"edgeproxy_worker_open_fds{{{NODE}}}", "{{instance}} {{worker}}"),),
        ),
        Panel(
            "Retry budget exhausted, poisoned calls, bugs",
            (
                (rate("edgeproxy_retry_budget_exhausted_total", NODE), "budget exhausted"),
                (rate("edgeproxy_poisoned_calls_total", NODE), "poisoned calls"),
                (rate("edgeproxy_internal_errors_total", NODE), "internal errors"),
            ),
            "reqps",
        ),
        Panel(
            "Last reload taken",
            ((f"edgeproxy_config_last_reload_successful{{{NODE}}}", "{{instance}}"),),
            "bool_yes_no",
            "state-timeline",
        ),
        Panel(
            "Configuration and version",
            (
                (f"edgeproxy_config_info{{{NODE}}}", "{{instance}} {{hash}}"),
                (f"edgeproxy_build_info{{{NODE}}}", "{{instance}} {{version}}"),
            ),
            kind="state-timeline",
        ),
    ),
}


def variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": f"label_values({query}, {name})", "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def rendered(panel: Panel, number: int, x: int, y: int, height: int) -> dict[str, Any]:
    stacking = {"stacking": {"mode": "normal" if panel.is_stacked else "none"}, "fillOpacity": 20 * panel.is_stacked}
    is_series = panel.kind == "timeseries"
    targets = [
        {"refId": chr(ord("A") + at), "expr": expression, "legendFormat": legend, "datasource": DATASOURCE}
        for at, (expression, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": height},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": stacking if is_series else {}},
            "overrides": [],
        },
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}} if is_series else {},
        "targets": targets,
    }


def laid_out() -> Iterator[dict[str, Any]]:
    number = y = 0
    for title, panels in ROWS.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": []} | {
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}
        }
        y, x = y + 1, 0
        height = 4 if panels[0].kind == "stat" else 8
        for panel in panels:
            number += 1
            yield rendered(panel, number, x, y, height)
            x += panel.width
            if x == WIDTH:
                x, y = 0, y + height


def dashboard() -> dict[str, Any]:
    return {
        "uid": "edgeproxy",
        "title": "edgeproxy",
        "tags": ["edgeproxy"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                variable("instance", "edgeproxy_build_info"),
                variable("provider", ATTEMPTS),
                variable("model", ATTEMPTS),
            ]
        },
        "annotations": {"list": []},
        "panels": list(laid_out()),
    }


def text() -> str:
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text())
