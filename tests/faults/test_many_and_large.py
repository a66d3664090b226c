"""U50, U51: a prompt that nobody takes, and a provider that dies with very many streams on it."""

import asyncio
import resource
import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.builders import KEY, TIMEOUTS
from support.checks import ENDPOINT_LIMIT
from support.client import Client, chat_body, request_bytes
from support.doors import BOTH
from support.edge import until
from support.fate import Fate, ending, fate_of
from support.metrics import Metrics
from support.replies import chat, chunked, contents, role, stream_head
from support.scale import IS_FULL, scaled
from support.scripted import ReadRequest, Rst, Send, Wait
from support.stage import Lot, Stage

DOORS = BOTH
MIB = 1 << 20
PROMPT_MIB = scaled(5, 20)
SEND_S = 0.2
STREAMS = scaled(200, 2_000)  # each takes two descriptors here and two there
LAG_S = 0.05 if IS_FULL else 1.0  # for 99 of 100 turns of the loop: a machine with neighbours has no say in less
STALL_S = 40.0  # longer than it takes to open them all


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, server: dict[str, Any]) -> Iterator[Stage]:
    timeouts = TIMEOUTS | {
        "send": SEND_S,
        "first_event": 60.0,
        "answer": 60.0,
        "stall": STALL_S,
        "connect": 5.0,
        "whole": 90.0,
    }
    stage = Stage(tmp_path_factory.mktemp("edge"), 4, provider={"timeouts": timeouts}, **server)
    stage.edge.start()
    yield stage
    stage.close()


class Clogged:
    """A provider whose window stays as small as it is: nothing is read."""

    def __init__(self, lot: Lot) -> None:
        self.upstream = lot.a.plays([Wait(asyncio.Event())])
        self.upstream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


async def test_u50_a_prompt_that_nobody_takes_goes_to_the_next(lot: Lot) -> None:
    async with Clogged(lot).upstream, lot.b.plays([chat()]):
        began = time.monotonic()
        answer = await lot.chat(prompt="x" * (PROMPT_MIB * MIB))
        took_s = time.monotonic() - began
        assert await fate_of(lot, answer) == Fate(attempts=2, cost="full", faults={"timeout_idle": 1})
    assert SEND_S + PROMPT_MIB <= took_s < SEND_S + PROMPT_MIB + 5.0
    assert await lot.breaker() == "closed"


async def test_u50_charges_the_endpoint(lot: Lot) -> None:
    """A prompt of 6 MiB is more than the kernel's buffers take."""
    async with Clogged(lot).upstream, lot.b.plays([chat()]):
        calls = (lot.chat(prompt="x" * (6 * MIB)) for _ in range(ENDPOINT_LIMIT))
        endings = Counter(map(ending, await asyncio.gather(*calls)))
        assert endings["whole"] >= 3, "as far as the retry budget goes"
        assert set(endings) <= {"whole", "504 timeout"}
    assert await lot.breaker() == "open"


# --- U51 -----------------------------------------------------------------------------------------------------------


def lag_p99(before: Metrics, after: Metrics) -> float:
    """The bound below which 99 of 100 turns of the loop were late."""
    counts = Counter[float]()
    for metrics, sign in ((after, 1), (before, -1)):
        for each in metrics.series("edgeproxy_event_loop_lag_seconds_bucket"):
            counts[float(each.labels["le"])] += int(sign * each.value)
    return min(bound for bound, count in counts.items() if count >= 0.99 * counts[float("inf")])


async def open_stream(lot: Lot) -> Client:
    client = await Client.connect(lot.edge.api)
    await client.send(request_bytes(chat_body(lot.pair, stream=True), key=KEY))
    return client


async def test_u51_every_stream_of_a_provider_that_dies_ends(lot: Lot) -> None:
    """Half of them have shown content, half wait for their first event; then every connection is reset."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    death, held = asyncio.Event(), lot.edge.descriptors
    shown = [ReadRequest(), Send(stream_head() + chunked([role(), *contents()])), Wait(death), Rst()]
    waiting = [ReadRequest(), Wait(death), Rst()]
    async with lot.a.plays(*[shown, waiting] * (STREAMS // 2), [Rst()]) as a, lot.b.plays([chat()]):
        clients = list[Client]()
        for _ in range(0, STREAMS, 50):
            clients += await asyncio.gather(*(open_stream(lot) for _ in range(50)))
        while sum(len(peer.requests) for peer in a.peers) < STREAMS:  # noqa: ASYNC110  peers have no event for all
            await asyncio.sleep(0.02)
        before, died_at = await lot.edge.metrics(), time.monotonic()
        death.set()
        answers = await asyncio.gather(*(client.read_answer() for client in clients))
        assert time.monotonic() - died_at < 20.0, "at once, not at the stall limit"
        endings = Counter(map(ending, answers))
        for client in clients:
            client.leave()
    after = await lot.edge.metrics()
    assert sum(endings.values()) == STREAMS
    assert set(endings) <= {"whole", "stream ended by 502 provider_unavailable", "502 provider_unavailable"}
    assert endings["stream ended by 502 provider_unavailable"] == STREAMS // 2, "what was shown is not shown again"
    assert endings["whole"] >= 3, "others fail over as far as the retry budget goes"
    await until(lambda: len(lot.lines()) == STREAMS)
    assert lag_p99(before, after) <= LAG_S
    assert after.breaker(lot.a.name, lot.pair) == "open" or "open" in after.breakers(lot.a.name)
    await lot.edge.returns_to(held)
    await lot.edge.is_idle()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
