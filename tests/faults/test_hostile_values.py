"""C29–C31, C33, C37: what clients write into names, keys, paths and headers stays theirs: on no wire, in no log line of
its own, in no series.
"""

import asyncio
import json
import random
import re
from itertools import count
from typing import Any

import pytest
from support.builders import KEY
from support.checks import is_typed_error
from support.client import Client, chat_body, exchange, request_bytes
from support.doors import BOTH
from support.edge import until
from support.metrics import Metrics
from support.replies import chat
from support.scale import scaled
from support.scripted import ReadRequest, Stall
from support.stage import Lot

DOORS = BOTH
LOTS = 24
MIB = 1 << 20
FLOOD = scaled(1_500, 1_000_000)
FLOODERS = 8
INJECTED = "a\r\nX-Injected: yes\r\n\r\n{}\n\u2028\x1b[31m\u202e\x00"
# The whole head that a provider without a key is sent.
SENT = {"host", "content-type", "accept", "accept-encoding", "user-agent", "content-length", "connection"}


# --- C29 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"user": INJECTED},
        {"metadata": {INJECTED: INJECTED}},
        {"provider": {"order": [INJECTED]}},
        {"session_id": INJECTED},
        {"x_unknown": INJECTED},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_c29_no_value_becomes_a_header_or_a_line(lot: Lot, more: dict[str, Any]) -> None:
    async with lot.a.plays([chat()]) as a:
        answer = await lot.chat(stream=False, solo=True, **more)
        assert b"X-Injected: yes" not in str(answer.head).encode()
        assert all("injected" not in name.lower() for name, _ in answer.head.fields)
        for request in a.requests:
            assert all(name.lower() in SENT for name, _ in request.head.fields)
    line = await lot.edge.line_of(answer.head.get("x-generation-id"))
    assert line["status"] == answer.status
    every_line_is_one(lot)


async def test_c29_nor_does_the_name_of_a_model(lot: Lot) -> None:
    answer = await lot.edge.chat(INJECTED)
    assert answer.status in (400, 404)
    assert all("injected" not in name.lower() for name, _ in answer.head.fields)
    line = await lot.edge.line_of(answer.head.get("x-generation-id"))
    assert line["status"] == answer.status
    every_line_is_one(lot)


def every_line_is_one(lot: Lot) -> None:
    """Each line of the access log is one JSON object of printable characters, shorter than 1 KiB (C31)."""
    *whole, _unfinished = lot.edge.stdout.read_text().split("\n")
    for line in whole:
        assert isinstance(json.loads(line), dict)
        assert line.isprintable()
        assert len(line) < 1024


# --- C30 -----------------------------------------------------------------------------------------------------------


def waiting_head(lot: Lot, key: str, length: int) -> bytes:
    headers = {"Expect": "100-continue", "Content-Length": str(length)}
    return request_bytes(b"", key=key, headers=headers)


@pytest.mark.parametrize(
    ("key", "length", "status", "error_type"),
    [("sk-unknown", 100, 401, "authentication"), (KEY, 1 << 30, 413, "payload_too_large")],
    ids=["bad_key", "too_large"],
)
async def test_c30_a_body_that_will_not_be_read_is_not_asked_for(
    lot: Lot, key: str, length: int, status: int, error_type: str
) -> None:
    before = await lot.edge.metrics()
    async with lot.a.plays([chat()]) as a, await Client.connect(lot.edge.api) as client:
        await client.send(waiting_head(lot, key, length))
        raw = await client.read_until(b"\r\n\r\n")
        assert raw.startswith(b"HTTP/1.1 %d " % status), "no 100 before it"
        assert b"connection: close" in raw.lower(), "what comes next may not be taken for the body"
        assert await client.read_to_end() != b""
        assert a.peers == []
    after = await lot.edge.metrics()
    assert after.value("edgeproxy_rejected_total") == before.value("edgeproxy_rejected_total") + 1
    assert after.breaker(lot.a.name, lot.solo) == "closed"
    del error_type


async def test_c30_a_good_key_is_told_to_go_on(lot: Lot) -> None:
    body = chat_body(lot.solo)
    async with lot.a.plays([chat()]) as a, await Client.connect(lot.edge.api) as client:
        await client.send(waiting_head(lot, KEY, len(body)))
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)
        assert (await client.read_answer()).status == 200
        assert len(a.requests) == 1
        assert (await lot.chat_on(client, stream=False, solo=True)).status == 200, "and the connection is kept"


# --- C33 -----------------------------------------------------------------------------------------------------------


def shape(metrics: Metrics) -> set[str]:
    """The names and labels of all series but those of providers, which come when the calls of other tests are told."""
    lines = (line for line in metrics.text.splitlines() if line.startswith("edgeproxy_"))
    return {line.rpartition(" ")[0] for line in lines if 'provider="' not in line}


def providers(metrics: Metrics) -> set[str]:
    return {name for name in re.findall(r'provider="([^"]*)"', metrics.text) if not re.fullmatch(r"[ab]\d+", name)}


def flood_of(dice: random.Random) -> bytes:
    """One request with random names in it."""
    word = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz0123456789-._%{}\"'", k=dice.randrange(1, 60)))
    match dice.randrange(5):
        case 0:
            return request_bytes(chat_body(f"{word}/{word}"), key=KEY)
        case 1:
            return request_bytes(chat_body("a/b"), key=f"sk-{word}")
        case 2:
            path = "/x" + word.replace("%", "").replace('"', "").replace("{", "").replace("}", "").replace("'", "")
            return request_bytes(b"", key=KEY, path=path, method=dice.choice(("GET", "POST", "PUT")))
        case 3:
            path = f"/v1/models/{word.replace('%', '')}/x".replace('"', "").replace("{", "").replace("}", "")
            return request_bytes(b"", key=KEY, path=path, method="GET")
        case _:
            headers = {f"X-{word.strip('%.')[:9].replace(chr(34), '')}".replace("{", "").replace("}", ""): "1"}
            return request_bytes(chat_body(word), key=KEY, headers={"X-A": headers.popitem()[0]})


async def flooder(lot: Lot, seed: int, numbers: "count[int]") -> set[int]:
    dice, statuses = random.Random(seed), set[int]()
    client = await Client.connect(lot.edge.api)
    while next(numbers) < FLOOD:
        await client.send(flood_of(dice))
        answer = await client.read_answer()
        statuses.add(answer.status)
        if answer.head.text("connection").lower() == "close":
            client.leave()
            client = await Client.connect(lot.edge.api)
    client.leave()
    return statuses


async def test_c33_names_without_end_make_no_series(lot: Lot) -> None:
    await flooder(lot, 0, count(FLOOD - 200))  # every kind of refusal once
    before, held = await lot.edge.metrics(), lot.edge.private_memory()
    numbers = count()
    found = await asyncio.gather(*(flooder(lot, seed, numbers) for seed in range(1, FLOODERS + 1)))
    assert set().union(*found) <= {400, 401, 404, 405}
    after = await lot.edge.metrics()
    assert shape(after) == shape(before)
    assert providers(after) == providers(before)
    assert lot.edge.private_memory() - held < 4 * MIB
    moved = after.value("edgeproxy_requests_total") - before.value("edgeproxy_requests_total")
    assert moved + after.value("edgeproxy_rejected_total") - before.value("edgeproxy_rejected_total") >= FLOOD
    assert await lot.breaker() == "closed"


# --- C37 -----------------------------------------------------------------------------------------------------------

THEIR_OWN = {
    "Connection": "Authorization, X-Secret, keep-alive",
    "X-Secret": "secret",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "10.0.0.1",
    "Forwarded": "for=10.0.0.1",
    "Via": "1.1 evil",
    "Cookie": "session=1",
    "Proxy-Authorization": "Basic x",
    "X-Edgeproxy-Attempts": "99",
    "X-Edgeproxy-Provider": "b",
    "X-Portkey-Provider": "evil",
    "X-Portkey-Config": "{}",
    "X-Generation-Id": "theirs",
    "X-Request-Id": "theirs",
    "TE": "trailers",
    "Keep-Alive": "timeout=999",
    "OpenAI-Organization": "theirs",
    "Accept-Encoding": "gzip",
    "User-Agent": "theirs",
    "Host": "evil.test",
    "Origin": "https://evil.test",
    "Referer": "https://evil.test/",
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "answer"])
async def test_c37_none_of_the_clients_headers_goes_further(lot: Lot, stream: bool) -> None:
    async with lot.a.plays([chat()]) as a:
        answer = await lot.chat(stream=stream, solo=True, headers=THEIR_OWN)
        assert answer.status == 200
        (request,) = a.requests
    assert {name.lower() for name, _ in request.head.fields} <= SENT
    raw = request.raw_head.lower()
    assert not any(text in raw for text in (b"secret", b"evil", b"theirs", b"10.0.0.1", b"gzip", KEY.encode()))
    assert answer.head.get("x-generation-id") != "theirs"
    assert answer.head.text("x-edgeproxy-attempts") in ("1", "")
    line = await lot.line()
    assert (line["status"], line["attempts"]) == (200, 1)


async def test_c37_only_our_own_wish_is_heard(lot: Lot) -> None:
    """`x-edgeproxy-timeout-ms` is the one header of that name that clients may send."""
    async with lot.a.plays([ReadRequest(), Stall()]):
        answer = await lot.chat(stream=False, solo=True, headers={"x-edgeproxy-timeout-ms": "x"})
    is_typed_error(answer, 400, "invalid_request")


async def test_a_key_in_a_strange_place_is_not_repeated(lot: Lot) -> None:
    """Not by an answer, not by a log."""
    canary = "sk-canary-" + "7" * 40
    requests = [
        request_bytes(b"", key=canary, path="/v1/models", method="GET"),
        request_bytes(chat_body(lot.solo, user=canary), key=canary),
        request_bytes(b"{", key=KEY, headers={"X-Api-Key": canary}),
        b"GET / HTTP/1.1\r\nHost: edge.test\r\nAuthorization: Bearer " + canary.encode() + b"\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + canary.encode() + b" b\r\n\r\n",
        canary.encode() * 3 + b"\r\n\r\n",
    ]
    answers = [await exchange(lot.edge.api, request) for request in requests]
    assert not any(canary.encode() in answer.body for answer in answers)
    said = await until(lambda: lot.edge.stdout.read_text() + lot.edge.stderr.read_text())
    assert canary not in said
    assert "Traceback" not in said
