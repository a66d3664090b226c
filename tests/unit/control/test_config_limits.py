"""Limits of lanes and queues of models: what is inherited, what is refused, what is only advised against."""

import pytest
from support.configs import EMPTY_CATALOG, GOOD, changed, load, problems

from edgeproxy.control.assemble import sources_of, with_discovered
from edgeproxy.control.discovery import Listed, Listing
from edgeproxy.domain.snapshot import LaneLimits, Queue

ALPHA = "    base_url: http://127.0.0.1:9101/v1\n"
AT_ALPHA = "- { provider: alpha, model: m-1,"
ROUTING = "  attempts: 2\n"


def with_provider(lines: str, text: str = GOOD) -> str:
    return changed(ALPHA, ALPHA + lines, text)


def limits_of(text: str) -> tuple[LaneLimits, ...]:
    return tuple(endpoint.limits for endpoint in load(text).snapshot.models[0].endpoints)


def queue_of(text: str) -> Queue:
    return load(text).snapshot.models[0].queue


def warnings(text: str) -> list[str]:
    return [warning.message for warning in load(text).warnings]


def test_there_are_no_limits_unless_they_are_said() -> None:
    assert limits_of(GOOD) == (LaneLimits(), LaneLimits())
    assert not LaneLimits().has_rate


def test_a_providers_limits_are_those_of_its_lanes() -> None:
    text = with_provider(
        "    requests_per_minute: 60\n    tokens_per_minute: 1000\n    burst: 5s\n    max_concurrency: 3\n"
    )
    assert limits_of(text) == (LaneLimits(60, 1000, 3, 5.0), LaneLimits())


def test_an_endpoints_own_limits_win_key_by_key() -> None:
    text = with_provider("    requests_per_minute: 60\n    max_concurrency: 3\n")
    text = changed(AT_ALPHA, AT_ALPHA + " requests_per_minute: 5, max_concurrency: 0,", text)
    assert limits_of(text)[0] == LaneLimits(5, 0, 0, 1.0)


def test_a_discovered_model_has_its_providers_limits() -> None:
    text = with_provider("    requests_per_minute: 60\n    discover: true\n")
    loaded = load(changed(ROUTING, ROUTING + "  queue: { calls: 5 }\n", text))
    listing = Listing("alpha", (Listed("other-model"),))
    found = with_discovered(loaded, sources_of(loaded), [listing], EMPTY_CATALOG).models[-1]
    assert (found.endpoints[0].limits.requests_per_minute, found.queue.calls) == (60, 5)


def test_a_model_has_the_queue_of_routing_but_for_what_it_says() -> None:
    assert queue_of(GOOD) == Queue(100, 10.0)
    text = changed(ROUTING, ROUTING + "  queue: { calls: 7, wait: 2s }\n")
    assert queue_of(text) == Queue(7, 2.0)
    assert queue_of(changed("    aliases: [short]\n", "    queue: { wait: 0 }\n", text)) == Queue(7, 0.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("requests_per_minute: -1", "`requests_per_minute`: expected an integer 0–1000000000"),
        ("tokens_per_minute: 1e6", "`tokens_per_minute`: expected an integer 0–1000000000"),
        ("burst: 31s", "`burst`: expected a duration from 0s to 30s"),
        ("max_concurrency: many", "`max_concurrency`: expected an integer 0–1000000"),
        ("requests_per_minut: 60", "unknown key `requests_per_minut`"),
    ],
)
def test_nonsense_is_refused(line: str, message: str) -> None:
    (problem,) = problems(with_provider(f"    {line}\n"))
    assert problem.message == message


def test_a_misspelt_limit_is_named() -> None:
    (problem,) = problems(with_provider("    requests_per_minut: 60\n"))
    assert "requests_per_minute" in problem.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(AT_ALPHA, AT_ALPHA + " burst: 2s,"), "a burst of no limit does nothing"),
        (changed(ROUTING, ROUTING + "  queue: { calls: 0 }\n"), "`calls` is 0, so no call waits"),
        (changed("    aliases: [short]\n", "    queue: { wait: 0s }\n"), "`wait` is 0, so no call waits"),
        (changed(ROUTING, ROUTING + "  queue: { wait: 20m }\n"), "longer than a whole call may take"),
    ],
)
def test_what_does_nothing_is_advised_against(text: str, message: str) -> None:
    assert warnings(text) == [message]


def test_no_queue_at_all_is_meant() -> None:
    assert warnings(changed(ROUTING, ROUTING + "  queue: { calls: 0, wait: 0 }\n")) == []
