"""The page shows models, providers, prices, speed, uptime and breakers, whatever they are called."""

from dataclasses import replace

from support.live import FakeLimits, FakeStats, FakeTable, catalog, live_of

from edgeproxy._core.codes import SCOPE_ENDPOINT, SCOPE_HOST, SCOPE_LANE, STATE_NAMES
from edgeproxy.console.overview import MOST_MODELS, NodeSummary, fragment, page
from edgeproxy.domain.snapshot import LaneLimits

NODE = NodeSummary("0.1.0", "ready", 2, 2, "0123456789abcdef")
EVIL = "<img src=x onerror=alert(1)>"


def test_what_there_is_to_see() -> None:
    stats = FakeStats(
        ttft_ms_30m=(212.4, 300.0, 500.0, 901.0), throughput_30m=(71.0, 60.0, 44.0, 20.0), uptime_1d=99.93
    )
    table = FakeTable(stats={0: stats}, flights={0: 3})
    text = fragment(NODE, live_of(catalog(), table), "")
    for expected in ("a/one", "b/two", "0.4 / 1.8", "unknown", "212 / 901 ms", "– / 99.93 %", ">71<", ">3<"):
        assert expected in text


def test_breakers_with_scope_and_time() -> None:
    table = FakeTable(
        states={
            (SCOPE_ENDPOINT, 0): STATE_NAMES.index("hard_open"),
            (SCOPE_LANE, 2): STATE_NAMES.index("throttled"),
            (SCOPE_HOST, 2): 1,
        },
        ends={(SCOPE_LANE, 2): 1012.0, (SCOPE_HOST, 2): 1005.0},
        reasons={(SCOPE_ENDPOINT, 0): 5, (SCOPE_HOST, 2): 1},
    )
    text = fragment(NODE, live_of(catalog(), table), "")
    for expected in ("endpoint: hard open, model gone", "key2: throttled, 12 s", "host: open, connect, 5 s"):
        assert expected in text


def test_limits_and_who_is_at_them() -> None:
    snapshot = catalog()
    one, two = snapshot.models
    limits = LaneLimits(requests_per_minute=60, tokens_per_minute=100_000, max_concurrency=4)
    endpoints = tuple(replace(endpoint, limits=limits) for endpoint in one.endpoints)
    limited = replace(snapshot, models=(replace(one, endpoints=endpoints), two))
    live = live_of(limited, FakeTable(flights={0: 3, 1: 4}), limits=FakeLimits({0: 4, 1: 4, 2: 4}, {2: 11.7}))
    text = fragment(NODE, live, "")
    for expected in ("3 of 4", "4 of 8", "60 calls/min", "100,000 tokens/min", "no seat left", "at its limit, 12 s"):
        assert expected in text


def test_names_from_outside_are_text() -> None:
    snapshot = catalog()
    provider = replace(snapshot.providers[0], name=EVIL, source=EVIL)
    model = replace(snapshot.models[0], id=EVIL, name=EVIL)
    evil = replace(snapshot, providers=(provider, *snapshot.providers[1:]), models=(model,))
    text = page(replace(NODE, config_hash=EVIL), live_of(evil, FakeTable()), "<img")
    assert "<img" not in text
    assert "&lt;img" in text


def test_the_search_term_is_text_too() -> None:
    assert "<script>x" not in page(NODE, live_of(catalog(), FakeTable()), '"><script>x')


def test_a_filter_leaves_what_matches() -> None:
    text = fragment(NODE, live_of(catalog(), FakeTable()), "TWO")
    assert "b/two" in text
    assert "a/one" not in text


def test_a_big_catalog_is_cut() -> None:
    model = catalog().models[0]
    many = replace(catalog(), models=tuple(replace(model, id=f"a/{index}") for index in range(MOST_MODELS + 5)))
    text = fragment(NODE, live_of(many, FakeTable()), "")
    assert f"a/{MOST_MODELS - 1}<" in text
    assert f"a/{MOST_MODELS}<" not in text
    assert "filter to see others" in text


def test_nothing_is_written_into_the_page_that_the_policy_forbids() -> None:
    text = page(NODE, live_of(catalog(), FakeTable()), "")
    for forbidden in ("style=", "onclick=", "<style", "javascript:", "http://", "https://"):
        assert forbidden not in text
