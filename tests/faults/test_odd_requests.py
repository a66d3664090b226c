"""C23–C27, C30–C34: requests whose framing, line, headers or wishes are odd. One answer of the right kind, nothing of a
following request taken for anything else, and nothing of what was sent comes back.
"""

import pytest
from support.builders import KEY
from support.checks import is_typed_error
from support.client import Answer, Client, exchange
from support.doors import BOTH
from support.metrics import Metrics
from support.odd_requests import Maker, Odd, odd_requests
from support.replies import chat
from support.stage import Lot, Stage

DOORS = BOTH
LOTS = 1
IDS = [odd.id for odd in odd_requests("author/slug", KEY)]
ROWS = pytest.mark.parametrize("id", IDS)
NEXT = Maker(b"", KEY.encode()).request(line=b"GET /v1/models HTTP/1.1")


@pytest.fixture(scope="module")
def only_lot(stage: Stage) -> Lot:
    return stage.take()


@pytest.fixture(scope="module")
def corpus(only_lot: Lot) -> dict[str, Odd]:
    return {odd.id: odd for odd in odd_requests(only_lot.solo, KEY)}


def counted(metrics: Metrics) -> float:
    refused = metrics.value("edgeproxy_rejected_total")
    return (
        refused + metrics.value("edgeproxy_requests_total") - metrics.value("edgeproxy_rejected_total", reason="auth")
    )


@ROWS
async def test_every_side_of_one_odd_request(only_lot: Lot, corpus: dict[str, Odd], id: str) -> None:
    """What the client got, what the provider and its breaker saw, what was charged, what was counted, what is left."""
    lot, odd = only_lot, corpus[id]
    before, descriptors = await lot.edge.metrics(), lot.edge.descriptors
    async with lot.a.plays([chat()]) as a:
        answer = await exchange(lot.edge.api, odd.raw, is_head=odd.raw.startswith(b"HEAD"))
        assert answer.status in odd.statuses, answer.body
        assert len(a.requests) == odd.is_served
        if not odd.is_served:
            is_refusal(answer, odd)
        else:
            await lot.edge.line_of(answer.head.get("x-generation-id"))
    after = await lot.edge.metrics()
    assert counted(after) > counted(before)
    assert after.breaker(lot.a.name, lot.solo) == "closed"
    assert (after.value("edgeproxy_cost_usd_total") > before.value("edgeproxy_cost_usd_total")) == odd.is_served
    await lot.edge.returns_to(descriptors)


def is_refusal(answer: Answer, odd: Odd) -> None:
    """The contract's error, said in HTTP/1, without a word of what was sent."""
    is_typed_error(answer, answer.status, answer.error["metadata"]["error_type"])
    assert answer.head.start.startswith(("HTTP/1.1 ", "HTTP/1.0 "))
    head = str(answer.head).encode()
    assert KEY.encode() not in answer.body + head
    assert b"edge.test" not in answer.body + head
    assert b"Python" not in answer.body + head


@ROWS
async def test_nothing_behind_an_odd_request_is_misread(only_lot: Lot, corpus: dict[str, Odd], id: str) -> None:
    """Behind it comes a good request. It is answered as what it is, or the connection ends unread."""
    odd = corpus[id]
    async with only_lot.a.plays([chat()]) as a, await Client.connect(only_lot.edge.api) as client:
        await client.send(odd.raw + NEXT)
        first = await client.read_answer()
        if first.status == 400 and odd.id.startswith("C25"):
            return  # HTTP/1.0 ends a connection with its first answer: who sends more is refused at once
        assert first.status in odd.statuses
        rest = await client.read_to_end() if first.head.text("connection").lower() == "close" else b""
        if rest or first.head.text("connection").lower() == "close":
            assert rest == b"", "nothing is said behind `Connection: close`"
        else:
            second = await client.read_answer()
            assert (second.status, "data" in second.json) == (200, True)
        assert len(a.requests) == odd.is_served
