"""Whole calls in the test's process: a fake client's side, the real pipeline, a small provider on loopback."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest
from support.inprocess import (
    GOOD_ANSWER,
    GOOD_STREAM,
    STREAM_HEAD,
    FakeExchange,
    ListJournal,
    TinyUpstream,
    chat_body,
    chunk,
    content,
    credit,
    endpoint,
    eventually,
    json_reply,
    make_plane,
    provider,
    records,
    snapshot_of,
    sse,
)

from edgeproxy._core import codes
from edgeproxy.control.accounts import UnlimitedCredit
from edgeproxy.domain.caller import Caller
from edgeproxy.domain.errors import Draining
from edgeproxy.proxy.call import Call
from edgeproxy.proxy.pipeline import deadline, end_early, start
from edgeproxy.proxy.plane import DataPlane, Limits
from edgeproxy.proxy.routes import Route

STREAM = chat_body(stream=True)
HANGS = STREAM_HEAD + chunk(sse(content("Hel")))


class Running:
    """A call, and how often the door was told that it is over."""

    def __init__(self, plane: DataPlane, exchange: FakeExchange) -> None:
        self.plane, self.exchange = plane, exchange
        exchange.received_at = time.monotonic()
        self.call: Call = start(exchange, plane)

    @property
    def ends(self) -> int:
        return self.exchange.ends

    async def end(self) -> "Running":
        await asyncio.wait_for(self.exchange.over.wait(), 10)
        return self

    async def until(self, text: bytes) -> "Running":
        """Wait for `text` on the client's side."""
        await eventually(lambda: text in self.written)
        return self

    @property
    def written(self) -> bytes:
        return bytes(self.exchange.client_side.written)

    @property
    def status(self) -> int:
        return int(self.written.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        return self.written.partition(b"\r\n\r\n")[2]

    @property
    def head(self) -> bytes:
        return self.written.partition(b"\r\n\r\n")[0].lower()


def plane_of(upstreams: Sequence[TinyUpstream], *, attempts: int = 3) -> DataPlane:
    """One endpoint at each; the first is always the first choice."""
    providers = [provider(f"p{n}", one.base_url) for n, one in enumerate(upstreams)]
    endpoints = [endpoint(f"p{n}", weight=1000.0 ** (len(upstreams) - n)) for n in range(len(upstreams))]
    return make_plane(snapshot_of(providers, endpoints), limits=Limits(attempts=attempts))


async def call_to(*replies: bytes, exchange: FakeExchange | None = None, body: bytes = STREAM) -> Running:
    async with TinyUpstream(*replies) as upstream:
        return await Running(plane_of([upstream]), exchange or FakeExchange(body)).end()


# --- the end of a stream ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("surface", "asks", "choices"),
    [("/v1", False, None), ("/v1", True, 0), ("/api/v1", False, 1), ("/api/v1", True, 1)],
)
async def test_usage_at_the_end_as_each_surface_has_it(surface: str, asks: bool, choices: int | None) -> None:
    options = {"stream_options": {"include_usage": True}} if asks else {}
    done = await call_to(GOOD_STREAM, exchange=FakeExchange(chat_body(stream=True, **options), surface=surface))
    lines = [line for line in done.body.split(b"\n") if line.startswith(b"data: {")]
    last = orjson.loads(lines[-1][6:])
    if choices is None:
        assert "usage" not in last
    else:
        assert last["usage"]["prompt_tokens"] == 10
        assert len(last["choices"]) == choices
    assert done.body.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_the_record_is_written_before_the_client_sees_the_end() -> None:
    async with TinyUpstream(GOOD_STREAM) as upstream:
        plane = plane_of([upstream])
        seen = []
        journal = plane.journal
        assert isinstance(journal, ListJournal)
        exchange = FakeExchange(STREAM)
        journal.append = lambda record: seen.append(bytes(exchange.client_side.written))  # type: ignore[method-assign]
        await Running(plane, exchange).end()
    assert len(seen) == 1
    assert b"Hel" in seen[0]
    assert b"[DONE]" not in seen[0]


async def test_a_whole_answer_has_ids_and_cost_of_ours() -> None:
    done = await call_to(GOOD_ANSWER, body=chat_body())
    answer = orjson.loads(done.body)
    assert (done.status, answer["id"], answer["model"]) == (200, done.call.generation, "author/slug")
    assert answer["usage"]["cost"] == pytest.approx(20e-6 * 1.05)
    assert b"x-edgeproxy-cost: 0.000021000" in done.head


async def test_an_http_10_stream_ends_with_the_connection() -> None:
    exchange = FakeExchange(STREAM, is_http11=False)
    done = await call_to(GOOD_STREAM, exchange=exchange)
    assert b"connection: close" in done.head
    assert b"transfer-encoding" not in done.head
    assert exchange.keeps_alive is False


async def test_an_http_10_answer_may_keep_the_connection() -> None:
    done = await call_to(GOOD_ANSWER, exchange=FakeExchange(chat_body(), is_http11=False))
    assert b"connection: keep-alive" in done.head
    assert b"content-length" in done.head


# --- finish happens once ---------------------------------------------------------------------------------------


def settled_once(running: Running, status: int) -> None:
    plane = running.plane
    assert [record.status for record in records(plane)] == [status]
    assert credit(plane).open_holds == 0
    assert plane.calls == set()
    assert running.ends == 1
    assert running.exchange.client is None
    assert all(plane.table.in_flight(route.lane.slot) == 0 for route in routes(running))


def routes(running: Running) -> Sequence[Route]:
    found = running.plane.snapshot.find("author/slug")
    assert found is not None
    return found.routes


async def test_a_good_call_finishes_once() -> None:
    done = await call_to(GOOD_STREAM)
    settled_once(done, 200)
    assert credit(done.plane).charged == 21_000


async def test_after_the_end_a_client_that_leaves_changes_nothing() -> None:
    done = await call_to(GOOD_STREAM)
    done.call.gone()
    end_early(done.call, Draining("late"))
    settled_once(done, 200)
    assert credit(done.plane).charged == 21_000


async def test_a_client_that_leaves_in_mid_stream_pays_for_what_it_got() -> None:
    async with TinyUpstream(HANGS) as upstream:
        running = await Running(plane_of([upstream]), FakeExchange(STREAM)).until(b"Hel")
        running.call.gone()
        running.call.gone()
        settled_once(running, 499)
        assert credit(running.plane).charged > 0
        await eventually(lambda: upstream.closed)


async def test_a_client_that_leaves_before_the_first_event_pays_nothing() -> None:
    async with TinyUpstream(STREAM_HEAD) as upstream:
        running = Running(plane_of([upstream]), FakeExchange(STREAM))
        await eventually(lambda: upstream.requests)
        running.call.gone()
    settled_once(running, 499)
    assert credit(running.plane).charged == 0


async def test_a_client_that_leaves_while_we_dial_leaves_no_connection_behind() -> None:
    async with TinyUpstream(GOOD_STREAM) as upstream:
        running = Running(plane_of([upstream]), FakeExchange(STREAM))
        await asyncio.sleep(0)
        running.call.gone()
        settled_once(running, 499)
        pools = running.plane.pools
        await eventually(lambda: not any(pool.open for _, pool in pools))
        assert upstream.requests == []


async def test_a_client_that_leaves_while_its_body_comes() -> None:
    exchange = FakeExchange(None)
    exchange.arrives = asyncio.get_running_loop().create_future()
    async with TinyUpstream(GOOD_STREAM) as upstream:
        running = Running(plane_of([upstream]), exchange)
        await asyncio.sleep(0)
        running.call.gone()
        await asyncio.sleep(0)
    settled_once(running, 499)
    assert exchange.arrives.cancelled()


async def test_the_drain_s_limit_ends_a_stream_with_one_error_event() -> None:
    async with TinyUpstream(HANGS) as upstream:
        running = await Running(plane_of([upstream]), FakeExchange(STREAM)).until(b"Hel")
        end_early(running.call, Draining("shutting down"))
        running.call.gone()
        settled_once(running, 503)
    assert running.written.count(b'"finish_reason":"error"') == 1
    assert running.written.endswith(b"0\r\n\r\n")
    assert b"[DONE]" not in running.written


async def test_the_drain_s_limit_answers_a_call_that_has_no_answer_yet() -> None:
    async with TinyUpstream(STREAM_HEAD) as upstream:
        running = Running(plane_of([upstream]), FakeExchange(STREAM))
        await eventually(lambda: upstream.requests)
        end_early(running.call, Draining("shutting down", retry_after_s=1))
        settled_once(running, 503)
    assert (running.status, b"connection: close" in running.head) == (503, True)


async def test_a_journal_that_fails_ends_the_call_and_hangs_nobody() -> None:
    async with TinyUpstream(GOOD_STREAM) as upstream:
        plane = plane_of([upstream])
        assert isinstance(plane.journal, ListJournal)
        plane.journal.error = OSError("disk full")
        running = await Running(plane, FakeExchange(STREAM)).end()
    assert running.exchange.client_side.is_aborted
    assert (plane.calls, credit(plane).open_holds, running.ends) == (set(), 0, 1)


class HeldAmounts(UnlimitedCredit):
    def __init__(self) -> None:
        super().__init__()
        self.amounts: list[int] = []

    def hold(self, caller: Caller, generation: str, amount: int) -> None:
        self.amounts.append(amount)
        super().hold(caller, generation, amount)


@pytest.mark.parametrize(("choices", "tokens"), [(None, 100), (3, 300)])
async def test_the_hold_covers_every_choice(choices: int | None, tokens: int) -> None:
    async with TinyUpstream(GOOD_ANSWER) as upstream:
        plane = plane_of([upstream])
        plane.credit = counted = HeldAmounts()
        body = chat_body(n=choices, max_tokens=100)
        await Running(plane, FakeExchange(body)).end()
    assert tokens * 2_000 * 1.05 <= counted.amounts[0] < tokens * 2_000 * 1.05 + 50_000


# --- failover --------------------------------------------------------------------------------------------------


async def served(*replies: bytes, body: bytes = STREAM, attempts: int = 3) -> Running:
    """One provider for each reply, tried in this order."""
    upstreams = [TinyUpstream(reply) for reply in replies]
    for one in upstreams:
        await one.__aenter__()
    try:
        return await Running(plane_of(upstreams, attempts=attempts), FakeExchange(body)).end()
    finally:
        for one in upstreams:
            await one.__aexit__()


FAULT = json_reply({"error": {"message": "inside"}}, 500)


@pytest.mark.parametrize(
    "first",
    [
        FAULT,
        json_reply({}, 429, "Retry-After: 7"),
        json_reply({}, 401),
        json_reply({}, 404),
        b"",
        b"junk\r\n\r\n",
        STREAM_HEAD + chunk(sse({"error": {"message": "no", "code": 503}})),
        STREAM_HEAD + b"0\r\n\r\n",
        json_reply({"error": {"message": "no"}}),
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\n<",
    ],
)
async def test_a_failure_before_the_first_event_is_invisible(first: bytes) -> None:
    done = await served(first, GOOD_STREAM)
    assert (done.status, b"Hel" in done.body, b"error" in done.body) == (200, True, False)
    assert (records(done.plane)[0].attempts, records(done.plane)[0].provider) == (2, "p1")
    settled_once(done, 200)


async def test_the_caller_s_own_fault_is_not_tried_elsewhere() -> None:
    done = await served(json_reply({"error": {"message": "too hot"}}, 400), GOOD_STREAM)
    error = orjson.loads(done.body)["error"]
    assert (done.status, error["message"], records(done.plane)[0].attempts) == (400, "too hot", 1)
    settled_once(done, 400)


async def test_a_broken_stream_is_not_tried_elsewhere() -> None:
    async with TinyUpstream(HANGS) as first, TinyUpstream(GOOD_STREAM) as second:
        running = await Running(plane_of([first, second]), FakeExchange(STREAM)).until(b"Hel")
        first.cut()
        await running.end()
        assert second.requests == []
    assert running.written.count(b'"finish_reason":"error"') == 1
    assert b"[DONE]" not in running.written
    assert credit(running.plane).charged > 0
    settled_once(running, 502)


async def test_no_more_than_the_limit_of_attempts() -> None:
    done = await served(FAULT, FAULT, FAULT, GOOD_STREAM)
    error = orjson.loads(done.body)["error"]
    assert (done.status, records(done.plane)[0].attempts) == (502, 3)
    assert [one["provider"] for one in error["metadata"]["previous_errors"]] == ["P0", "P1", "P2"]
    settled_once(done, 502)


@pytest.mark.parametrize(
    ("replies", "status", "retry_after"),
    [
        ([json_reply({}, 429, "Retry-After: 9"), json_reply({}, 429, "Retry-After: 4")], 429, 4),
        ([json_reply({}, 429, "Retry-After: 4"), json_reply({}, 429, "Retry-After: 9")], 429, 4),
        ([json_reply({}, 429), json_reply({}, 429)], 429, 1),
        ([FAULT, json_reply({}, 429, "Retry-After: 4")], 502, None),
        ([json_reply({}, 429, "Retry-After: 4"), FAULT], 502, None),
        ([json_reply({}, 503, "Retry-After: 9"), json_reply({}, 503, "Retry-After: 5")], 503, 5),
        ([json_reply({}, 503, "Retry-After: 9"), json_reply({}, 503)], 503, 1),
    ],
)
async def test_the_final_error_and_its_retry_after(replies: list[bytes], status: int, retry_after: int | None) -> None:
    done = await served(*replies)
    assert done.status == status
    found = [int(line[13:]) for line in done.head.split(b"\r\n") if line.startswith(b"retry-after: ")]
    if retry_after is None:
        assert not found
    else:  # a lane stays shut for up to a tenth longer than it was asked to
        assert len(found) == 1
        assert retry_after <= found[0] <= math.ceil(retry_after * 1.1)


async def test_an_empty_retry_budget_ends_the_call_and_says_so() -> None:
    upstreams = [TinyUpstream(FAULT), TinyUpstream(GOOD_STREAM)]
    for one in upstreams:
        await one.__aenter__()
    plane = plane_of(upstreams)
    found = plane.snapshot.find("author/slug")
    assert found is not None
    while plane.budget.withdraw(found.model.slot, time.monotonic()):
        pass
    done = await Running(plane, FakeExchange(STREAM)).end()
    assert (done.status, b"x-edgeproxy-retry: budget_exhausted" in done.head) == (502, True)
    assert upstreams[1].requests == []
    for one in upstreams:
        await one.__aexit__()


async def test_a_request_that_fails_where_others_are_served_is_at_fault_itself() -> None:
    upstreams = [TinyUpstream(GOOD_STREAM, FAULT), TinyUpstream(GOOD_STREAM, FAULT), TinyUpstream(GOOD_STREAM)]
    for one in upstreams:
        await one.__aenter__()
    plane = plane_of(upstreams)
    await Running(plane, FakeExchange(chat_body(stream=True, provider={"order": ["p0"]}))).end()
    await Running(plane, FakeExchange(chat_body(stream=True, provider={"order": ["p1"]}))).end()
    done = await Running(plane, FakeExchange(STREAM)).end()
    assert (done.status, records(plane)[-1].attempts, upstreams[2].requests) == (502, 2, [])
    for one in upstreams:
        await one.__aexit__()


async def test_without_any_route_the_answer_says_when_to_come_back() -> None:
    async with TinyUpstream(json_reply({}, 429, "Retry-After: 30")) as upstream:
        plane = plane_of([upstream])
        await Running(plane, FakeExchange(STREAM)).end()
        done = await Running(plane, FakeExchange(STREAM)).end()
        assert len(upstream.requests) == 1
    error = orjson.loads(done.body)["error"]
    assert (done.status, error["availability"]["code"]) == (429, "capacity_exhausted")
    assert 25 <= int(error["metadata"]["retry_after_seconds"]) <= 33


async def test_a_stale_connection_is_replaced_without_blame() -> None:
    async with TinyUpstream(GOOD_STREAM, b"", GOOD_STREAM) as upstream:
        plane = plane_of([upstream])
        await Running(plane, FakeExchange(STREAM)).end()
        done = await Running(plane, FakeExchange(STREAM)).end()
        assert upstream.connections == 2
    found = plane.snapshot.find("author/slug")
    assert found is not None
    assert (done.status, records(plane)[1].attempts) == (200, 1)
    assert plane.table.state(codes.SCOPE_HOST, found.routes[0].provider.host_slot, time.monotonic()) == codes.CLOSED


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exchange", "status"),
    [
        (FakeExchange(STREAM, {}), 401),
        (FakeExchange(b"{", None), 400),
        (FakeExchange(chat_body(model="nobody/nothing")), 404),
        (FakeExchange(chat_body(provider={"only": ["nobody"]})), 404),
    ],
)
async def test_a_refusal_is_recorded_once_and_holds_nothing(exchange: FakeExchange, status: int) -> None:
    done = await call_to(GOOD_STREAM, exchange=exchange)
    assert done.status == status
    assert [record.status for record in records(done.plane)] == [status]
    assert credit(done.plane).open_holds == 0


async def test_while_draining_new_calls_are_refused() -> None:
    async with TinyUpstream(GOOD_STREAM) as upstream:
        plane = plane_of([upstream])
        plane.is_leaving = plane.is_draining = True
        done = await Running(plane, FakeExchange(STREAM)).end()
    assert (done.status, b"connection: close" in done.head, b"retry-after: 1" in done.head) == (503, True, True)


async def test_a_bug_of_ours_is_a_500_without_details() -> None:
    async with TinyUpstream(GOOD_STREAM) as upstream:
        plane = plane_of([upstream])
        plane.accounts = None  # type: ignore[assignment]
        done = await Running(plane, FakeExchange(STREAM)).end()
    assert (done.status, b"NoneType" in done.body) == (500, False)


@pytest.mark.parametrize(("text", "seconds"), [("1", 0.001), ("2500", 2.5), ("999999999", 600.0), (None, 600.0)])
def test_the_client_s_deadline(text: str | None, seconds: float) -> None:
    headers = {} if text is None else {"x-edgeproxy-timeout-ms": text}
    assert deadline(FakeExchange(b"", headers), 600.0) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1e3", "١", "1" * 10, " 5", "x"])
async def test_a_deadline_that_is_none_is_refused(text: str) -> None:
    headers = FakeExchange().headers | {"x-edgeproxy-timeout-ms": text}
    assert (await call_to(GOOD_STREAM, exchange=FakeExchange(STREAM, headers))).status == 400


@pytest.mark.parametrize("name", ["Ac\r\nX-Evil: 1", "Ac\nX-Evil: 1", "Acme\x00", "Ac\x85X-Evil: 1", "Ac\u2028me"])
async def test_no_header_can_be_smuggled_in_by_a_name(name: str) -> None:
    async with TinyUpstream(GOOD_STREAM) as upstream:
        there = replace(provider("acme", upstream.base_url), name=name)
        plane = make_plane(snapshot_of([there], [endpoint("acme")]))
        done = await Running(plane, FakeExchange(STREAM)).end()
    assert not any(line.startswith(b"x-evil") for line in done.head.splitlines())
    assert b"\x00" not in done.head
