"""What a call came to, from three sides: the client's, the books', the meters'. The breaker's takes several calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from support.checks import FULL_PRICE, TEXT
from support.client import Answer
from support.stage import Lot


@dataclass(frozen=True)
class Fate:
    """`client`: "whole", or how it ended. `cost`: "full", "part" or "none". `faults`: of provider `a`, by type."""

    client: str = "whole"
    attempts: int = 1
    cost: str = "full"
    faults: Mapping[str, int] = field(default_factory=dict)


def ending(answer: Answer) -> str:
    """How the call ended for its client, in one line."""
    if not answer.is_complete:
        return "cut off"
    if answer.status != 200:
        return f"{answer.status} {answer.error['metadata']['error_type']}"
    if not answer.head.text("content-type").startswith("text/event-stream"):
        return "whole" if answer.json["choices"][0]["message"]["content"] == TEXT else "another text"
    events = answer.events
    if events.errors:
        error = events.errors[-1]["error"]
        return f"stream ended by {error['code']} {error['metadata']['error_type']}"
    return "whole" if events.is_done and events.text == TEXT else "another text"


async def fate_of(lot: Lot, answer: Answer) -> Fate:
    """Everything that can be known of the lot's one call."""
    line = await lot.edge.line_of(answer.head.get("x-generation-id"))
    assert len(lot.lines()) == 1, "a call is told once"
    metrics = await lot.edge.metrics()
    series = metrics.series("edgeproxy_upstream_errors_total", provider=lot.a.name)
    faults = {each.labels["error_type"]: int(each.value) for each in series if each.value}
    return Fate(ending(answer), line["attempts"], _share(line["cost_usd"] or 0.0), faults)


def _share(cost: float) -> str:
    if cost == 0:
        return "none"
    return "full" if abs(cost - FULL_PRICE) < 1e-12 else "part"
