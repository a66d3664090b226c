"""What an expression asks of the metrics: checked against the ones that edgeproxy declares."""

import promql_parser

from edgeproxy.telemetry import metrics

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
EXPORTED = {metric.name + suffix: metric for metric in metrics.ALL for suffix in SUFFIXES[metric.kind]}
SCRAPE_LABELS = {"instance", "job"}


def nodes(expression: str) -> list[object]:
    found: list[object] = []

    def keep(node: object) -> None:
        found.append(node)

    promql_parser.walk(promql_parser.parse(expression), keep)
    return found


def labels_of(name: str) -> set[str]:
    if name == "up":
        return SCRAPE_LABELS
    histogram = {"le"} if name.endswith("_bucket") else set()
    return SCRAPE_LABELS | set(EXPORTED[name].labels) | histogram


def values_of(name: str, label: str) -> set[str] | None:
    """The values that the label can have, None where the configuration says them."""
    metric = EXPORTED.get(name)
    if metric is metrics.BREAKER_STATE and label == "state":
        return set(metrics.BREAKER_STATES)
    if metric is None or label not in metric.inner:
        return {"edgeproxy"} if (name, label) == ("up", "job") else None
    return {child[metric.inner.index(label)] for child in metric.children}


def wrong_with(expression: str) -> list[str]:
    """Every metric, label or label value in the expression that no node exports."""
    wrong, known = [], set[str]()
    for node in nodes(expression):
        if isinstance(node, promql_parser.VectorSelector):
            name = node.name or ""
            if name != "up" and name not in EXPORTED:
                wrong.append(f"metric {name}")
                continue
            known |= labels_of(name)
            wrong += [problem for matcher in node.matchers.matchers if (problem := _wrong_matcher(name, matcher))]
    by = {label for node in nodes(expression) for label in _grouping(node)}
    return wrong + [f"grouping by {label}" for label in by - known]


def _wrong_matcher(name: str, matcher: promql_parser.Matcher) -> str:
    if matcher.name == "__name__":
        return ""
    if matcher.name not in labels_of(name):
        return f"{name} has no label {matcher.name}"
    values = values_of(name, matcher.name)
    if values is None or matcher.value.startswith("$"):
        return ""
    unknown = set(matcher.value.split("|")) - values
    return f"{name}: {matcher.name} is never {unknown}" if unknown else ""


def _grouping(node: object) -> list[str]:
    modifier = getattr(node, "modifier", None) if isinstance(node, promql_parser.AggregateExpr) else None
    return list(modifier.labels) if modifier else []
