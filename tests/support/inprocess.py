"""A data plane in the test's own process: real table, meters and routes; the client's side is a fake transport."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from edgeproxy._core.budget import RetryBudget
from edgeproxy._core.dice import Dice
from edgeproxy._core.exchange import Exchange
from edgeproxy._core.wheel import Wheel
from edgeproxy.control.accounts import ConfiguredKeys, UnlimitedCredit
from edgeproxy.domain.money import Price
from edgeproxy.domain.record import CallRecord
from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Endpoint, Key, Lane, Model, Provider, Snapshot, Timeouts
from edgeproxy.node.memory import Plan, SharedMemory
from edgeproxy.node.slots import SlotDirectory
from edgeproxy.proxy.drive import foreign
from edgeproxy.proxy.exchange import Client
from edgeproxy.proxy.plane import DataPlane, Limits
from edgeproxy.proxy.pool import Pools
from edgeproxy.proxy.resolve import Resolver
from edgeproxy.proxy.routes import ModelRoutes, RouteBook
from edgeproxy.telemetry.layout import Directory
from edgeproxy.telemetry.meters import Meters

KEY = "sk-test-inprocess"
MODEL = "author/slug"
PRICE = Price(prompt=1_000_000, completion=2_000_000)  # $1 and $2 a million tokens
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}


def chat_body(**more: Any) -> bytes:
    return orjson.dumps(CHAT | more)


def provider(slug: str, base_url: str = "http://127.0.0.1:9/v1", **more: Any) -> Provider:
    return Provider(slug, slug.capitalize(), "openai-chat", base_url, **more)


def endpoint(at: str, *, model: str = MODEL, secret: str = "sk-upstream", tag: str = "", **more: Any) -> Endpoint:
    identity = f"{at}/{model}/{tag or at}"
    lane = Lane(f"{at}/default/{model}/{tag or at}", "default", Secret(secret) if secret else None)
    values: dict[str, Any] = {"price": PRICE, "lanes": (lane,)} | more
    return Endpoint(identity, at, f"{at}-model", tag or at, **values)


def snapshot_of(
    providers: Iterable[Provider], endpoints: Sequence[Endpoint], *, keys: Sequence[Key] = (), **more: Any
) -> Snapshot:
    named = Key(hashlib.sha256(KEY.encode()).hexdigest(), "tests")
    model = Model(MODEL, "Slug", tuple(endpoints))
    return Snapshot("digest", (model,), tuple(providers), tuple(keys) or (named,), **more)


def simple_snapshot(*slugs: str, **more: Any) -> Snapshot:
    """One endpoint at each provider, all alike."""
    return snapshot_of([provider(slug) for slug in slugs], [endpoint(slug, **more) for slug in slugs])


@dataclass
class ListJournal:
    records: list[CallRecord] = field(default_factory=list)
    error: Exception | None = None

    def append(self, record: CallRecord) -> None:
        if self.error is not None:
            raise self.error
        self.records.append(record)


@dataclass
class ClientSide:
    """The client's transport."""

    written: bytearray = field(default_factory=bytearray)
    writes: list[bytes] = field(default_factory=list)
    waiting: int = 0  # bytes that the client has not taken
    is_aborted: bool = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, name: str) -> None:
        return None  # no socket: everything passes through `write`

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class FakeExchange(Exchange):
    """One request, as a door would hand it over."""

    def __init__(
        self,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        surface: str = "/v1",
        is_http11: bool = True,
        received_at: float = 0.0,
    ) -> None:
        self.headers = {"authorization": f"Bearer {KEY}"} if headers is None else headers
        self.body = body
        self.surface = surface
        self.is_http11 = is_http11
        self.wants_alive = True
        self.received_at = received_at
        self.client_side = ClientSide()
        self.transport = self.client_side
        self.fd = -2
        self.client: Client | None = None
        self.arrives: asyncio.Future[bytes] | None = None
        self.probes = 0
        self.ends = 0  # how often the door was told that the call is over
        self.over = asyncio.Event()

    def header(self, name: str) -> bytes | None:
        value = self.headers.get(name.lower())
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def stays_open(self) -> bool:
        return self.wants_alive

    def listen(self, client: Client | None) -> None:
        self.client = client

    def ended(self) -> None:
        self.ends += 1
        self.over.set()

    @property
    def length(self) -> int:
        return int(self.header("content-length") or -1)

    @property
    def arrived(self) -> int:
        return max(0, self.length)

    def take_body(self) -> bytes | None:
        return self.body

    async def read_body(self) -> bytes:
        assert self.arrives is not None
        return await foreign(_wait(self.arrives), asyncio.get_running_loop())

    def write(self, data: bytes) -> None:
        self.client_side.write(data)

    def probe(self) -> None:
        self.probes += 1


async def _wait(future: asyncio.Future[bytes]) -> bytes:
    return await future


def make_plane(
    snapshot: Snapshot,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    resolver: Resolver | None = None,
    limits: Limits | None = None,
) -> DataPlane:
    layout = Directory(snapshot).assign(snapshot)
    memory = SharedMemory.make(Plan.for_snapshot(snapshot, 1), layout)
    table = memory.route_table(0)
    slots = SlotDirectory(memory.plan, table)
    placed = slots.commit(slots.place(snapshot))
    meters = Meters(memory.metrics, 1, 0, layout)
    return DataPlane(
        loop=loop or asyncio.get_running_loop(),
        snapshot=RouteBook(placed, meters),
        accounts=ConfiguredKeys(placed.keys),
        credit=UnlimitedCredit(),
        journal=ListJournal(),
        table=table,
        budget=RetryBudget(table),
        dice=Dice(7),
        wheel=Wheel(0.05),
        pools=Pools(resolver),
        meters=meters,
        limits=limits or Limits(),
    )


def records(plane: DataPlane) -> list[CallRecord]:
    assert isinstance(plane.journal, ListJournal)
    return plane.journal.records


def credit(plane: DataPlane) -> UnlimitedCredit:
    assert isinstance(plane.credit, UnlimitedCredit)
    return plane.credit


def routes_of(snapshot: Snapshot) -> ModelRoutes:
    """The routes of the one model, without a loop or a table that anybody uses."""
    layout = Directory(snapshot).assign(snapshot)
    memory = SharedMemory.make(Plan.for_snapshot(snapshot, 1), layout)
    slots = SlotDirectory(memory.plan, memory.route_table(0))
    placed = slots.commit(slots.place(snapshot))
    found = RouteBook(placed, Meters(memory.metrics, 1, 0, layout)).find(MODEL)
    assert found is not None
    return found


def quick(provider: Provider, **seconds: float) -> Provider:
    """With short time limits."""
    return replace(provider, timeouts=Timeouts(**seconds))


async def eventually(is_true: Callable[[], object], limit_s: float = 10.0) -> None:
    """Let the loop run until `is_true`."""
    async with asyncio.timeout(limit_s):
        while not is_true():  # noqa: ASYNC110  # what is waited for happens in callbacks without an event
            await asyncio.sleep(0.001)


# --- a provider on loopback ----------------------------------------------------------------------------------------


def sse(*events: dict[str, Any] | str) -> bytes:
    return b"".join(b"data: %b\n\n" % (e.encode() if isinstance(e, str) else orjson.dumps(e)) for e in events)


def content(text: str) -> dict[str, Any]:
    return {"id": "up-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


STOP: dict[str, Any] = {"id": "up-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE: dict[str, Any] = {"id": "up-1", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
GOOD_STREAM = STREAM_HEAD + chunk(sse(content("Hel"), content("lo"), STOP, USAGE, "[DONE]")) + LAST_CHUNK


def json_reply(value: object, status: int = 200, *headers: str) -> bytes:
    body = orjson.dumps(value)
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


GOOD_ANSWER = json_reply(
    {
        "id": "up-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
)


Reply = bytes | Callable[[bytes], bytes]  # itself, or what makes it from the request


def good_reply(request: bytes) -> bytes:
    return GOOD_STREAM if b'"stream":true' in request else GOOD_ANSWER


class TinyUpstream:
    """Answers each request with the next of `replies` (the last one again and again); reads by Content-Length."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aenter__(self) -> "TinyUpstream":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break off every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if callable(reply):
                    reply = reply(self.requests[-1])
                if not reply:
                    break
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.closed += 1
            self._writers.discard(writer)
            writer.close()
