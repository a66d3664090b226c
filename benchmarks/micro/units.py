"""What is counted: each unit prepares itself and returns what does a number of rounds. Adding one is adding a function.

python -m benchmarks.micro.units NAME ROUNDS     runs one, to be watched by callgrind
"""

import sys
from collections.abc import Callable

from benchmarks.micro.calls import ANSWER, KEY, Node
from edgeproxy._core import codes
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.dice import Dice
from edgeproxy._core.door import Door
from edgeproxy._core.rules import DoorRules
from edgeproxy._core.spans import scan, splice
from edgeproxy._core.sse import scanner_for
from edgeproxy._core.table import RouteTable
from edgeproxy._core.wheel import Wheel

Run = Callable[[int], None]
UNITS: dict[str, Callable[[], Run]] = {}


def unit(prepare: Callable[[], Run]) -> Callable[[], Run]:
    UNITS[prepare.__name__] = prepare
    return prepare


class Model:
    """One model with `lanes` candidates, each an endpoint on a host of its own, and a clock."""

    def __init__(self, lanes: int) -> None:
        size = RouteTable.size_of(lanes, lanes, lanes, 1, 4)
        self.table = RouteTable(bytearray(size), lanes, lanes, lanes, 1, 4, 0)
        for lane in range(lanes):
            self.table.bind(lane, lane, lane, 0, 0)
        prices = [100_000 + 7_000 * lane for lane in range(lanes)]
        self.candidates = Candidates(range(lanes), prices, prices, [0] * lanes, [1.0] * lanes, 0)
        self.everybody = (1 << lanes) - 1
        self.dice = Dice(1)
        self.now = 1000.0


@unit
def pick_16() -> Run:
    """One route decision (P8): rank 16 candidates, draw, let in."""
    return picks(Model(16))


@unit
def pick_2() -> Run:
    return picks(Model(2))


def picks(m: Model) -> Run:
    pick, candidates, everybody, now, dice = m.table.pick, m.candidates, m.everybody, m.now, m.dice

    def run(rounds: int) -> None:
        for _ in range(rounds):
            pick(candidates, everybody, 1000, 300, 1, now, dice)

    return run


@unit
def pick_16_succeeded_finish() -> Run:
    """A call as it mostly goes."""
    m = Model(16)

    def run(rounds: int) -> None:
        table, candidates, everybody, now, dice = m.table, m.candidates, m.everybody, m.now, m.dice
        for _ in range(rounds):
            now += 0.001
            attempt = table.pick(candidates, everybody, 1000, 300, 1, now, dice)
            assert attempt is not None
            table.succeeded(attempt, now, 0.25)
            table.finish(attempt, now, 300, 3.0)

    return run


@unit
def ten_calls_of_which_one_failed() -> Run:
    """So few that no breaker opens; the failure sums up its window."""
    m = Model(16)

    def run(rounds: int) -> None:
        table, candidates, everybody, now, dice = m.table, m.candidates, m.everybody, m.now, m.dice
        for number in range(10 * rounds):
            now += 0.001
            attempt = table.pick(candidates, everybody, 1000, 300, 1, now, dice)
            assert attempt is not None
            if number % 10:
                table.succeeded(attempt, now, 0.25)
            else:
                table.failed(attempt, codes.SCOPE_ENDPOINT, codes.STATUS_5XX, now)
            table.finish(attempt, now, 300, 3.0)

    return run


EVENT = (
    b'data: {"id":"chatcmpl-9XkQ2mN4","object":"chat.completion.chunk","created":1763764001,'
    b'"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token"},'
    b'"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
)


LAST_EVENT = EVENT.replace(b'"delta":{"content":" token"}', b'"delta":{}').replace(
    b'"finish_reason":null', b'"finish_reason":"stop"'
)
DONE = b"data: [DONE]\n\n"


@unit
def chat_event() -> Run:
    """One streamed event of 252 bytes, unlike the one before: read, judged, patched, framed and taken."""
    return events(EVENT, EVENT.replace(b'"created":1763764001', b'"created":1763764002'))


@unit
def chat_event_repeated() -> Run:
    """The same size, but the shape of the one before: as most events of a stream are."""
    return events(EVENT, EVENT.replace(b" token", b" other"))


def events(one: bytes, other: bytes) -> Run:
    scanner = scanner_for(b"gen-1763764001-Ab3dE5fG7hI9", b"openai/gpt-4o-mini", b"OpenAI", 1, native_finish=True)

    def run(rounds: int) -> None:
        for _ in range(rounds // 2):
            scanner.feed(one)
            scanner.take()
            scanner.feed(other)
            scanner.take()

    return run


def body(size: int) -> bytes:
    prompt = b"The quick brown fox jumps over the lazy dog. " * (size // 45)
    head = b'{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"'
    return head + prompt + b'"}],"stream":true,"temperature":0.7,"max_tokens":300}'


@unit
def scan_1_kb() -> Run:
    """The pass over a call's body."""
    return scans(body(1_000))


@unit
def scan_24_kb() -> Run:
    return scans(body(24_000))


def scans(text: bytes) -> Run:
    def run(rounds: int) -> None:
        for _ in range(rounds):
            scan(text)

    return run


@unit
def splice_1_kb() -> Run:
    """What goes upstream: model replaced, a field removed, the usage asked for."""
    text = body(1_000)
    spans = scan(text)

    def run(rounds: int) -> None:
        for _ in range(rounds):
            splice(text, spans, {"model": b'"m"'}, ("provider",), b'"stream_options":{"include_usage":true}')

    return run


class FakeTransport:
    """Takes everything at once. What it costs is in the figure: about as much as uvloop's own."""

    def get_extra_info(self, name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        pass


class PreparedDoor(Door):
    """Answers every call with the same bytes, after reading what a call reads."""

    def begin(self) -> None:
        for name in ("Authorization", "x-edgeproxy-timeout-ms"):
            self.header(name)
        self.take_body()
        self.write(REPLY)
        self.ended()


REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: application/json\r\n"
    b"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: OpenAI/Python 2.8.0\r\n"
    b"Authorization: Bearer " + KEY.encode() + b"\r\n"
    b"X-Stainless-Lang: python\r\nX-Stainless-Retry-Count: 0\r\nContent-Type: application/json\r\n"
)


@unit
def door_call() -> Run:
    """A call of 1 KB at the express door, llhttp included: parsed, begun, answered by prepared bytes."""
    text = body(1_000)
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text

    class Server:
        rules = DoorRules(
            {"/v1/chat/completions": "/v1"},
            lambda host: True,
            Wheel(),
            body_limit=1 << 20,
            header_s=10.0,
            body_s=15.0,
            keepalive_s=75.0,
            deliver_s=120.0,
        )

    door = PreparedDoor(Server())
    door.connection_made(FakeTransport())

    def run(rounds: int) -> None:
        for _ in range(rounds):
            door.data_received(request)

    return run


@unit
def call_answer() -> Run:
    """A call of 1 KB that is answered whole, from the door's first byte to its last, everything on."""
    node = Node()
    text = body(1_000).replace(b'"stream":true,', b"")
    return calls(node, request_of(text), ANSWER)


@unit
def call_stream() -> Run:
    """The same as a stream of eight events that come together."""
    events = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in (*[EVENT] * 8, LAST_EVENT, DONE))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return calls(Node(), request_of(body(1_000)), head + events + b"0\r\n\r\n")


def request_of(text: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text


def calls(node: Node, request: bytes, reply: bytes) -> Run:
    def run(rounds: int) -> None:
        for _ in range(rounds):
            node.call(request, reply)
        if node.plane.calls:
            raise RuntimeError("a call did not come to its end")

    return run


def main() -> None:
    name, rounds = sys.argv[1], int(sys.argv[2])
    UNITS[name]()(rounds)


if __name__ == "__main__":
    main()
