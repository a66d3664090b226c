"""A whole call in one process: the door, every phase, the provider's connection; the sockets are fakes."""

import asyncio
import hashlib
import os

from edgeproxy._core.budget import RetryBudget
from edgeproxy._core.dice import Dice
from edgeproxy._core.rules import DoorRules
from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy._core.wheel import Wheel
from edgeproxy.control.accounts import ConfiguredKeys, LogJournal, UnlimitedCredit
from edgeproxy.domain.money import Price
from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Endpoint, Key, Lane, Model, Provider, Snapshot
from edgeproxy.node.memory import Plan, SharedMemory
from edgeproxy.node.slots import SlotDirectory
from edgeproxy.proxy.express_door import ExpressDoor
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.pool import Pools
from edgeproxy.proxy.routes import RouteBook
from edgeproxy.telemetry.access import AccessLog
from edgeproxy.telemetry.layout import Directory
from edgeproxy.telemetry.meters import Meters

KEY = "sk-edge-v1-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef00000000"
MODEL = "openai/gpt-4o-mini"
ENDPOINTS = 8

USAGE = (
    b'"usage":{"prompt_tokens":250,"completion_tokens":12,"total_tokens":262,"prompt_tokens_details":{"cached_tokens":0,'
    b'"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}'
)
ANSWER_BODY = (
    b'{"id":"chatcmpl-9XkQ2mN4","object":"chat.completion","created":1763764001,"model":"gpt-4o-mini-2024-07-18",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"A dozen words stand for the answer of the model '
    b'that was asked.","refusal":null},"logprobs":null,"finish_reason":"stop"}],'
    + USAGE
    + b',"system_fingerprint":"f"}'
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER_BODY),
    ANSWER_BODY,
)


def provider(number: int) -> Provider:
    return Provider(f"p{number}", f"Provider {number}", "openai-chat", "http://127.0.0.1:9/v1")


def endpoint(number: int) -> Endpoint:
    lane = Lane(f"p{number}/default/{MODEL}/x", "default", Secret("sk-upstream"))
    price = Price(prompt=150_000 + 1_000 * number, completion=600_000 + 1_000 * number)
    return Endpoint(f"p{number}/{MODEL}/x", f"p{number}", "gpt-4o-mini", "x", price, (lane,))


def make_plane(loop: asyncio.AbstractEventLoop) -> DataPlane:
    """A worker's, with everything on; the access log goes nowhere."""
    key = Key(hashlib.sha256(KEY.encode()).hexdigest(), "bench")
    model = Model(MODEL, "GPT", tuple(endpoint(number) for number in range(ENDPOINTS)))
    snapshot = Snapshot("digest", (model,), tuple(provider(number) for number in range(ENDPOINTS)), (key,))
    layout = Directory(snapshot).assign(snapshot)
    memory = SharedMemory.make(Plan.for_snapshot(snapshot, 1), layout)
    table = memory.route_table(0)
    slots = SlotDirectory(memory.plan, table)
    placed = slots.commit(slots.place(snapshot))
    meters = Meters(memory.metrics, 1, 0, layout)
    return DataPlane(
        loop=loop,
        snapshot=RouteBook(placed, meters),
        accounts=ConfiguredKeys(placed.keys),
        credit=UnlimitedCredit(),
        journal=LogJournal(AccessLog.on(os.open(os.devnull, os.O_WRONLY), "json")),
        table=table,
        budget=RetryBudget(table),
        dice=Dice(1),
        wheel=Wheel(),
        pools=Pools(),
        meters=meters,
    )


class Socket:
    """Both sides' transport. Takes everything at once; about as dear as uvloop's own."""

    def get_extra_info(self, name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        pass

    def is_closing(self) -> bool:
        return False


class Admitted:
    """Client connections of a node that has room for all."""

    def admit(self, address: str) -> bool:
        return True


class Node:
    """One door and one connection to the provider, which all calls share."""

    def __init__(self) -> None:
        self.plane = plane = make_plane(asyncio.new_event_loop())
        self.rules = DoorRules(
            {"/v1/chat/completions": "/v1"},
            lambda host: True,
            plane.wheel,
            body_limit=1 << 20,
            header_s=10.0,
            body_s=15.0,
            keepalive_s=75.0,
            deliver_s=120.0,
        )
        self.counted, self.doors = Admitted(), set[ExpressDoor]()
        self.door = ExpressDoor(self)
        self.door.connection_made(Socket())  # as much of one as is asked for
        routes = plane.snapshot.find(MODEL)
        assert routes is not None
        self.provider = UpstreamConnection(pool := plane.pools.at(routes.routes[0].place))
        self.provider.connection_made(Socket())  # type: ignore[arg-type]
        pool.released(self.provider)

    def call(self, request: bytes, reply: bytes) -> None:
        self.door.data_received(request)
        self.provider.data_received(reply)
