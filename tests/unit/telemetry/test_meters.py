"""Meters add to the slots that the layout names, and unknown names end up under `other`."""

import mmap
from collections.abc import Sequence

import pytest

from edgeproxy.domain.charge import Charge
from edgeproxy.domain.money import Price
from edgeproxy.domain.snapshot import Endpoint, Model, Provider, Snapshot
from edgeproxy.domain.usage import Usage
from edgeproxy.telemetry import metrics as m
from edgeproxy.telemetry.layout import Directory, Layout
from edgeproxy.telemetry.meters import Meters, size_of


def snapshot_of(*pairs: tuple[str, str]) -> Snapshot:
    providers = dict.fromkeys(provider for _, provider in pairs)
    models = {model: [p for m_, p in pairs if m_ == model] for model, _ in pairs}
    return Snapshot(
        digest="d",
        providers=tuple(Provider(slug, slug.title(), "openai-chat", f"http://{slug}") for slug in providers),
        models=tuple(
            Model(model, model, tuple(Endpoint(f"{p}/{model}/", p, model, p, Price(), ()) for p in served_by))
            for model, served_by in models.items()
        ),
        keys=(),
    )


def meters_for(layout: Layout, workers: int = 1) -> list[Meters]:
    memory = mmap.mmap(-1, size_of(workers, layout))
    return [Meters(memory, workers, worker, layout) for worker in range(workers)]


def counts_of(meters: Meters, layout: Layout, model: str, provider: str) -> Sequence[int]:
    first, _ = layout.place(m.PAIR, layout.pairs.index((model, provider)))
    return meters.read_counts()[first : first + m.PAIR.counts]


def test_every_metric_is_declared_once() -> None:
    names = [metric.name for metric in m.ALL]
    assert len(names) == len(set(names))


def test_tokens_and_cost_are_neighbours() -> None:
    """`PairMeter.settled` counts them in one go."""
    assert m.COST.first == m.TOKENS_USED.first + len(m.TOKENS)


def test_no_two_children_share_a_slot() -> None:
    for group in m.GROUPS:
        taken: list[int] = []
        for metric in group.metrics:
            taken += range(metric.first, metric.first + len(metric.children) * (len(metric.bounds) + 1))
        assert taken == list(range(group.counts))


def test_a_settled_call_counts_tokens_and_money() -> None:
    layout = Directory(snapshot_of(("a/b", "p"))).assign(snapshot_of(("a/b", "p")))
    (meters,) = meters_for(layout)
    usage = Usage(prompt=10, completion=5, cached=4, cache_written=1, reasoning=2)
    meters.pair("a/b", "p").settled(usage, Charge(0, 0, 700, 735), per_token_s=0.02)
    counts = counts_of(meters, layout, "a/b", "p")
    assert list(counts[m.TOKENS_USED.first :][:5]) == [10, 5, 4, 1, 2]
    assert list(counts[m.COST.first :][:2]) == [700, 735]
    assert sum(counts[m.OUTPUT_TOKEN.first :][: len(m.PER_TOKEN) + 1]) == 1


def test_each_label_has_its_own_slot() -> None:
    layout = Directory(snapshot_of(("a/b", "p"))).assign(snapshot_of(("a/b", "p")))
    (meters,) = meters_for(layout)
    pair = meters.pair("a/b", "p")
    for outcome in m.Outcome:
        pair.attempt(outcome)
    for reason in m.Pick:
        pair.picked(reason)
    for fault in m.UpstreamFault:
        pair.fell_back(fault)
    assert list(counts_of(meters, layout, "a/b", "p")[m.ATTEMPTS.first :]) == [1] * (4 + 7 + 9)


@pytest.mark.parametrize(
    ("status", "stream", "child"),
    [
        (200, False, 0),
        (204, True, 1),
        (400, False, 2),
        (429, True, 3),
        (503, False, 4),
        (499, False, 6),
        (499, True, 7),
    ],
)
def test_status_classes(status: int, stream: bool, child: int) -> None:
    layout = Directory(snapshot_of()).assign(snapshot_of())
    (meters,) = meters_for(layout)
    chat = meters.endpoint("chat")
    chat.began()
    chat.ended(status, stream, 1.5)
    first, _ = layout.place(m.ENDPOINT, 0)
    requests = meters.read_counts()[first + m.REQUESTS.first :][:8]
    assert [index for index, count in enumerate(requests) if count] == [child]
    assert meters.read_counts()[first + m.IN_FLIGHT.first] == 0


def test_an_unknown_model_counts_as_other_at_its_provider() -> None:
    layout = Directory(snapshot_of(("a/b", "p"))).assign(snapshot_of(("a/b", "p")))
    (meters,) = meters_for(layout)
    meters.pair("random", "p").attempt(m.Outcome.OK)
    meters.pair("random", "random").attempt(m.Outcome.OK)
    assert counts_of(meters, layout, "other", "p")[m.ATTEMPTS.first] == 1
    assert counts_of(meters, layout, "other", "other")[m.ATTEMPTS.first] == 1


def test_a_place_survives_reloads_and_never_changes_hands() -> None:
    directory = Directory(snapshot_of(("a", "p"), ("b", "p")))
    before = directory.assign(snapshot_of(("a", "p"), ("b", "p")))
    after = directory.assign(snapshot_of(("c", "q"), ("b", "p")))
    assert after.pairs[: len(before.pairs)] == before.pairs
    assert set(after.pairs) - set(before.pairs) == {("c", "q"), ("other", "q")}
    assert (after.counts, after.sums) == (before.counts, before.sums)


def test_the_directory_is_bounded() -> None:
    directory = Directory(snapshot_of(("a", "p")))
    for generation in range(4):
        layout = directory.assign(snapshot_of(*((f"m{generation}-{index}", "p") for index in range(400))))
    assert len(layout.pairs) == layout.pair_capacity == 512


def test_a_layout_survives_the_way_to_the_worker() -> None:
    layout = Directory(snapshot_of(("a", "p"))).assign(snapshot_of(("a", "p"), ("b", "q")))
    assert Layout.from_dict(layout.to_dict()) == layout


def test_a_restarted_worker_keeps_counters_and_drops_gauges() -> None:
    layout = Directory(snapshot_of(("a", "p"))).assign(snapshot_of(("a", "p")))
    memory = mmap.mmap(-1, size_of(2, layout))
    dying = Meters(memory, 2, 0, layout)
    dying.node.stream_opened()
    dying.endpoint("chat").began()
    dying.provider("p").connections(idle=2, busy=3)
    dying.pair("a", "p").attempt(m.Outcome.OK)
    totals = Meters(memory, 2, 0, layout).read_counts()
    assert sum(totals) == 1
