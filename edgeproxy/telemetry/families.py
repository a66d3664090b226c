"""Metric families out of slots: how counts, sums and buckets become what Prometheus reads."""

from collections.abc import Iterable, Iterator, Sequence
from typing import final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.utils import floatToGoString

from edgeproxy._core.slots import MetricSlots
from edgeproxy.telemetry import metrics as m
from edgeproxy.telemetry.layout import Layout, Pair

Place = tuple[int, int]  # first count, first sum
Row = tuple[tuple[str, ...], Place]  # labels of a subject, its place


@final
class Totals:
    """The slots of all workers, added up once for a scrape."""

    def __init__(self, slots: MetricSlots) -> None:
        self.counts: Sequence[int] = slots.read_counts()
        self.sums: Sequence[float] = slots.read_sums()

    def active_pairs(self, layout: Layout) -> dict[Pair, Place]:
        """The pairs that have ever counted anything. Most of a big catalog has not."""
        found = {}
        for index, pair in enumerate(layout.pairs):
            place = layout.place(m.PAIR, index)
            if self.has_counted(place, m.PAIR):
                found[pair] = place
        return found

    def has_counted(self, place: Place, group: m.Group) -> bool:
        return any(self.counts[place[0] : place[0] + group.counts])


def alone(names: Iterable[str], group: m.Group, layout: Layout) -> list[list[Row]]:
    return [[((name,), layout.place(group, index))] for index, name in enumerate(names)]


def families(
    group: m.Group, totals: Totals, rows: Sequence[Sequence[Row]], is_sparse: bool = False
) -> Iterator[Family]:
    """`is_sparse`: leave out subjects that have never counted anything, and of the others the counters still at zero.
    A gauge of theirs stays: one that came and went with its value would look lost."""
    if is_sparse:
        rows = [row for row in rows if any(totals.has_counted(place, group) for _, place in row)]
    for metric in group.metrics:
        if metric.kind == "histogram":
            yield _histogram(metric, totals, rows, is_sparse)
        else:
            yield _plain(metric, totals, rows, is_sparse)


def _plain(metric: m.Metric, totals: Totals, rows: Sequence[Sequence[Row]], is_sparse: bool) -> Family:
    family = counter(metric) if metric.kind == "counter" else gauge(metric)
    for row in rows:
        subject = row[0][0]
        for child, labels in enumerate(metric.children):
            value = sum(totals.counts[place[0] + metric.first + child] for _, place in row)
            if value or not is_sparse or metric.kind == "gauge":
                family.add_metric([*subject, *labels], value / metric.divisor)
    return family


def _histogram(metric: m.Metric, totals: Totals, rows: Sequence[Sequence[Row]], is_sparse: bool) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    width = len(metric.bounds) + 1
    for row in rows:
        for child, labels in enumerate(metric.children):
            buckets = [0] * width
            for _, place in row:
                first = place[0] + metric.first + child * width
                buckets = [a + b for a, b in zip(buckets, totals.counts[first : first + width], strict=True)]
            if any(buckets) or not is_sparse:
                total = sum(totals.sums[place[1] + metric.sum_at + child] for _, place in row)
                family.add_metric([*row[0][0], *labels], _cumulative(metric.bounds, buckets), total)
    return family


def _cumulative(bounds: Sequence[float], buckets: Sequence[int]) -> list[tuple[str, float]]:
    names = [*(_bound(bound) for bound in bounds), "+Inf"]
    answer, so_far = [], 0
    for name, count in zip(names, buckets, strict=True):
        so_far += count
        answer.append((name, float(so_far)))
    return answer


def _bound(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def counter(metric: m.Metric) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)


def gauge(metric: m.Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def single(metric: m.Metric, value: float, *labels: str) -> GaugeMetricFamily:
    family = gauge(metric)
    family.add_metric(labels, float(value))
    return family


def of_workers(slots: MetricSlots, names: Sequence[str], layout: Layout) -> Iterator[Family]:
    """What is told apart by worker. A slot's rows are its number and every `len(names)`-th after it."""
    group, place = m.WORKER, layout.place(m.WORKER, 0)
    for metric in group.metrics:
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for slot, name in enumerate(names):
            first, width = place[0] + metric.first, len(metric.bounds) + 1
            buckets, (total,) = slots.read_part(slot, len(names), first, width, place[1] + metric.sum_at, 1)
            family.add_metric([name], _cumulative(metric.bounds, buckets), total)
        yield family
