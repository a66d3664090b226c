"""The windows of a comparison: what the client does in each, and which of its clocks the table shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    name: str
    what: str
    options: tuple[str, ...]  # of the load client
    clock: str = "latency"  # latency: the whole call; ttft: until the first content; delay: of each later event
    seconds: float = 0.0  # the least that says something
    load_share: float = 0.0  # an open loop at this share of what one worker of edgeproxy can do
    rate: float = 0.0  # an open loop at so many calls a second: rows that cannot do it are spared it
    slow_options: tuple[str, ...] = ()  # for rows of less than 1,000 calls a second
    rows: str = "all"  # all; core: direct, nginx, edgeproxy; edgeproxy: its rows
    rounds: int = 0  # 0: as many as are asked for
    is_warm: bool = False  # the window before has warmed the same paths

    @property
    def is_open_loop(self) -> bool:
        return bool(self.rate or self.load_share)


SHORT = ("--connections", "32", "--text-bytes", "300", "--body-bytes", "1024")
SHORT_STREAM, LONG_STREAM = 64, 256  # events


def long_bodies(size: int) -> tuple[str, ...]:
    return ("--connections", "32", "--text-bytes", "300", "--body-bytes", str(size))


def streams(count: int, events: int, interval_us: int) -> tuple[str, ...]:
    """Starts are spread over the length of a stream, so that as many end as begin at any time."""
    ramp_ms = events * interval_us // 1000
    load = ("--stream", "--connections", str(count), "--ramp-ms", str(ramp_ms))
    return (*load, "--events", str(events), "--interval-us", str(interval_us), "--first-us", str(interval_us))


def at(rate: float, *options: str) -> tuple[str, ...]:
    return (*options, "--rate", f"{rate:g}")


def bodies(size: int, rounds: int = 1) -> Window:
    kilobytes = size // 1024
    return Window(
        f"calls of {kilobytes} KB", f"as calls, {kilobytes} KB bodies", long_bodies(size), rows="core", rounds=rounds
    )


CALLS = Window("calls", "closed loop, 32 keep-alive connections, 1 KB bodies", SHORT)
EVENTS = Window(
    "events",
    "200 streams of 64 events at 50 events/s each (10 streams for rows of less than 1,000 calls/s)",
    streams(200, SHORT_STREAM, 20_000),
    "delay",
    seconds=3.0,
    slow_options=streams(10, SHORT_STREAM, 20_000),
)
# The same pace in longer streams: what 192 more events cost is free of all that a call costs at that pace.
MORE_EVENTS = Window(
    "longer streams",
    "as events, of 256 events each",
    streams(200, LONG_STREAM, 20_000),
    "delay",
    seconds=6.0,
    slow_options=streams(10, LONG_STREAM, 20_000),
    is_warm=True,
)
LATENCY_30 = Window("latency at 30 %", "open loop at 30 % of edgeproxy's capacity, 1 KB bodies", SHORT, load_share=0.3)
LATENCY_60 = Window(
    "latency at 60 %",
    "open loop at 60 % of edgeproxy's capacity, 1 KB bodies",
    SHORT,
    load_share=0.6,
    rows="core",
    rounds=1,
)
FIRST_EVENT = Window(
    "first event", "open loop, 100 streams/s of 4 events", streams(64, 4, 10_000), "ttft", rate=100, seconds=2.0
)
SLOW_RATE = Window("500 calls/s", "open loop, 1 KB bodies", SHORT, rate=500, rounds=1)
FAST_RATE = Window("2000 calls/s", "open loop, 1 KB bodies", SHORT, rate=2000, rows="core", rounds=1)
KB_24, KB_116, KB_200 = bodies(24 * 1024), bodies(116 * 1024), bodies(200 * 1024, rounds=2)
MANY = Window(
    "many streams", "2,000 streams at 5 events/s each", streams(2000, 20, 200_000), "delay", rows="core", rounds=1
)
BURST = Window(
    "burst",
    "50 streams of 200 events back to back: catches joining and Nagle",
    streams(50, 200, 0),
    "delay",
    rows="core",
    rounds=1,
)
CONNECTIONS_200 = Window(
    "200 connections",
    "closed loop, 1 KB bodies",
    ("--connections", "200", "--text-bytes", "300", "--body-bytes", "1024"),
    rows="edgeproxy",
    rounds=2,
)

WINDOWS = (
    *(CALLS, EVENTS, MORE_EVENTS, LATENCY_30, FIRST_EVENT, SLOW_RATE),
    *(KB_24, KB_116, KB_200, FAST_RATE, LATENCY_60, MANY, BURST, CONNECTIONS_200),
)
QUICK = (CALLS, EVENTS, MORE_EVENTS, LATENCY_30)
