"""The same bytes through both doors: the same answers, in status, headers and body, however the bytes are cut.

After each request another one follows, so that a door that misjudges where a request ends gives itself away.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import uvloop
from support.corpus import GOOD, REFUSED
from support.doors import BOTH
from support.inprocess import TinyUpstream, endpoint, good_reply, make_plane, provider, snapshot_of
from support.live_doors import Doors, keep_time
from support.talk import Said, converse

from edgeproxy.proxy.connections import DoorLimits

LIMITS = DoorLimits(body_bytes=65536, header_s=5.0, body_s=5.0)
ALL = GOOD | REFUSED
T = TypeVar("T")
Cut = Callable[[bytes], Sequence[bytes]]


async def said(door: str, requests: Sequence[bytes], cut: Cut) -> list[list[Said]]:
    """What one door answers to each request, on a connection of its own."""
    async with TinyUpstream(good_reply) as upstream:
        snapshot = snapshot_of([provider("acme", upstream.base_url)], [endpoint("acme")])
        plane = make_plane(snapshot)
        doors = await Doors.open(plane, door, LIMITS)
        clockwork = asyncio.ensure_future(keep_time(plane))
        try:
            talks = (converse(doors.port, cut(one), is_head=one.startswith(b"HEAD")) for one in requests)
            return await asyncio.gather(*talks)
        finally:
            clockwork.cancel()
            await doors.close()
            plane.pools.close()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def by_both(requests: Sequence[bytes], cut: Cut) -> list[list[list[Said]]]:
    talks = [run(said(door, requests, cut)) for door in BOTH]
    return [[comparable(*pair) for pair in zip(requests, of_one_door, strict=True)] for of_one_door in talks]


def comparable(request: bytes, talk: list[Said]) -> list[Said]:
    """The one thing in which the doors may differ: behind a chunked body aiohttp's ends the connection, because its
    parser takes a trailer for a header of the next request. The express door reads chunked calls itself."""
    if b"Transfer-Encoding" not in request:
        return talk
    final = next((number for number, one in enumerate(talk) if one.status >= 200), len(talk))
    return [replace(one, headers=without_connection(one)) for one in talk[: final + 1]]


def without_connection(one: Said) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in one.headers if name != "Connection")


def whole(request: bytes) -> Sequence[bytes]:
    return [request]


def bytewise(request: bytes) -> Sequence[bytes]:
    return [request[at : at + 1] for at in range(len(request))]


@pytest.mark.parametrize("name", ALL)
def test_a_request_gets_the_same_answer_from_both_doors(name: str) -> None:
    express, reference = by_both([ALL[name]], whole)
    assert express == reference


@pytest.mark.parametrize("name", [name for name, request in ALL.items() if len(request) < 2_000])
def test_a_request_that_comes_byte_by_byte_too(name: str) -> None:
    express, reference = by_both([ALL[name]], bytewise)
    assert express == reference


@pytest.mark.parametrize(
    "name", ["plain", "chunked", "trailers", "GET", "HTTP/1.0", "another route with a body", "bad JSON"]
)
def test_a_request_cut_in_two_anywhere_is_the_same_request(name: str) -> None:
    request = ALL[name]
    uncut, *cut = run(said("express", [request], whole)) + run(said("express", cuts(request), halves))
    assert [one for one in cut if one != uncut] == []


CUT = b"<cut>"


def cuts(request: bytes) -> list[bytes]:
    return [request[:at] + CUT + request[at:] for at in range(1, len(request))]


def halves(request: bytes) -> Sequence[bytes]:
    return request.split(CUT)
