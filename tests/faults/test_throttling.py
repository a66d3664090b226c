"""U37–U39: providers that throttle us or refuse our key. Each credential is a lane that fails and recovers alone."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.builders import ConfigBuilder
from support.checks import ENDPOINT_LIMIT, is_typed_error, is_whole_stream, settled_once
from support.edge import Edge
from support.http import Request
from support.replies import chat, error_body
from support.scripted import ReadRequest, Script, Send, Serve, Step, reserve
from support.stage import Lot, Site

PAST = "Wed, 21 Oct 2015 07:28:00 GMT"


def throttled(*fields: str) -> list[Step]:
    return [Serve(lambda _request: [Send(error_body(429, "slow down", *fields))])]


RETRY_AFTER = [
    (("Retry-After: 2",), 2, 3),
    (("Retry-After: 9999999",), 300, 330),
    ((f"Retry-After: {PAST}",), 1, 2),
    (("Retry-After: soon",), 1, 2),
    (("Retry-After: -5",), 1, 2),
    ((), 1, 2),
]
ids = ["2", "9999999", "past_date", "garbage", "negative", "absent"]


@pytest.mark.parametrize(("fields", "least", "most"), RETRY_AFTER, ids=ids)
async def test_u37_the_lane_is_throttled_for(lot: Lot, fields: tuple[str, ...], least: int, most: int) -> None:
    async with lot.a.plays(throttled(*fields)):
        answer = await lot.chat(solo=True)
    is_typed_error(answer, 429, "rate_limit_exceeded")
    assert least <= int(answer.head.get("retry-after") or 0) <= most
    assert await lot.breaker(solo=True) == "throttled"


async def test_u37_is_served_by_the_next_endpoint(lot: Lot) -> None:
    async with lot.a.plays(throttled("Retry-After: 30")) as a, lot.b.plays([chat()]):
        answer = await lot.chat()
        is_whole_stream(answer)
        await settled_once(lot.edge, answer, attempts=2)
        is_whole_stream(await lot.chat())
        assert len(a.requests) == 1, "nothing is sent to a throttled lane"
    assert lot.errors(await lot.edge.metrics(), "429") == 1


@pytest.mark.parametrize("fields", [("Retry-After: 1",), ()], ids=["1", "absent"])
async def test_u37_a_call_after_the_time_that_was_told_is_let_in(lot: Lot, fields: tuple[str, ...]) -> None:
    answers = [error_body(429, "slow down", *fields)]

    def answer(request: Request) -> Script:
        return [Send(answers.pop())] if answers else chat().answer(request)

    async with lot.a.plays([Serve(answer)]):
        refused = await lot.chat(solo=True)
        is_typed_error(refused, 429, "rate_limit_exceeded")
        await asyncio.sleep(int(refused.head.get("retry-after") or 0))
        is_whole_stream(await lot.chat(solo=True))


async def test_u37_is_no_failure(lot: Lot) -> None:
    """Throttling is a state of its own and never opens the endpoint."""
    async with lot.a.plays(throttled("Retry-After: 1")):
        for _ in range(ENDPOINT_LIMIT + 1):
            await lot.chat(solo=True)
    assert await lot.breaker(solo=True) in ("throttled", "closed")


async def test_u38_all_throttled_is_a_429_with_the_smallest_wait_at_once(lot: Lot) -> None:
    async with lot.a.plays(throttled("Retry-After: 40")) as a, lot.b.plays(throttled("Retry-After: 20")) as b:
        is_typed_error(await lot.chat(), 429, "rate_limit_exceeded")
        before = time.monotonic()
        answer = await lot.chat()
        took_s = time.monotonic() - before
        is_typed_error(answer, 429, "rate_limit_exceeded")
        assert 18 <= int(answer.head.get("retry-after") or 0) <= 23
        assert took_s < 0.25  # 50 ms on an idle machine
        assert len(a.requests) == len(b.requests) == 1, "nothing is sent while throttled"


@pytest.mark.parametrize("status", [503, 529])
async def test_row_6_an_endpoint_that_says_when_is_left_alone_until_then(lot: Lot, status: int) -> None:
    async with lot.a.plays([Serve(lambda _request: [Send(error_body(status, "busy", "Retry-After: 30"))])]) as a:
        async with lot.b.plays([chat()]):
            for _ in range(4):
                is_whole_stream(await lot.chat())
        assert len(a.requests) == 1, "nothing is sent before the time that it named"
        answer = await lot.chat(solo=True)
    assert answer.status == 503
    assert await lot.breaker() == "throttled"


@dataclass(frozen=True)
class Twin:
    """A model at one provider with two credentials."""

    edge: Edge
    site: Site
    model: str


REFUSED, GOOD = "provider-key-refused", "provider-key-good"


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Twin]]:
    builder, sites = ConfigBuilder(), [Site(f"twin{number}", reserve()) for number in range(4)]
    for site in sites:
        credentials = [{"name": "one", "api_key": REFUSED}, {"name": "two", "api_key": GOOD}]
        builder.provider(site.name, site.port, credentials=credentials)
        builder.model(f"twin/{site.name}", {site.name: 1.0})
    with Edge(builder, tmp_path_factory.mktemp("twins")) as edge:
        yield [Twin(edge, site, f"twin/{site.name}") for site in sites]
    for site in sites:
        site.sock.close()


def by_key(refusal: bytes) -> Script:
    """Refuse one of the two keys."""

    def answer(request: Request) -> Script:
        if request.head.get("authorization") == f"Bearer {REFUSED}":
            return [Send(refusal)]
        return chat().answer(request)

    return [Serve(answer)]


async def used(twin: Twin, refusal: bytes, calls: int) -> list[str | None]:
    """Serve `calls` calls with one key refused; the keys that the provider saw."""
    async with twin.site.plays(by_key(refusal)) as upstream:
        for _ in range(calls):
            is_whole_stream(await twin.edge.chat(twin.model, stream=True))
        return [request.head.get("authorization") for request in upstream.requests]


@pytest.mark.parametrize("status", [401, 403])
async def test_u39_a_refused_key_leaves_the_other_in_use(twins: list[Twin], status: int) -> None:
    twin = twins.pop()
    keys = await used(twin, error_body(status, "Incorrect API key"), 12)
    assert keys.count(f"Bearer {REFUSED}") == 1, "the refused key is not tried again"
    assert keys.count(f"Bearer {GOOD}") == 12
    moves = {"provider": twin.site.name, "state": "hard_open"}
    assert (await twin.edge.metrics()).value("edgeproxy_breaker_transitions_total", **moves) == 1


async def test_u37_a_throttled_key_leaves_the_other_in_use(twins: list[Twin]) -> None:
    keys = await used(twins.pop(), error_body(429, "slow down", "Retry-After: 60"), 12)
    assert keys.count(f"Bearer {REFUSED}") == 1
    assert keys.count(f"Bearer {GOOD}") == 12


async def test_row_9_an_empty_account_is_ours_to_pay(twins: list[Twin]) -> None:
    """Never a 402 for our own account: the lane is out, the other serves."""
    refusal = error_body(429, "You exceeded your current quota", code="insufficient_quota")
    keys = await used(twins.pop(), refusal, 6)
    assert keys.count(f"Bearer {REFUSED}") == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_u39_is_never_the_clients_401(lot: Lot, status: int) -> None:
    async with lot.a.plays([ReadRequest(), Send(error_body(status, "Incorrect API key: sk-1234"))]):
        answer = await lot.chat(solo=True)
    is_typed_error(answer, 502, "provider_unavailable")
    assert b"sk-1234" not in answer.body
    assert await lot.breaker(solo=True) == "hard_open"


async def test_row_9_is_never_the_clients_402(lot: Lot) -> None:
    async with lot.a.plays([ReadRequest(), Send(error_body(402, "Payment required"))]):
        answer = await lot.chat(solo=True)
    assert answer.status in (502, 503)
    assert await lot.breaker(solo=True) == "hard_open"
