"""The windows of a comparison: what the client does in each, and which of its clocks the table shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    name: str
    what: str
    options: tuple[str, ...]  # of the load client
    clock: str = "latency"  # latency: the whole call; ttft: until the first content; delay: of each later event
    seconds: float = 0.0  # the least that says something
    load_share: float = 0.0  # an open loop at this share of what the slowest of the fast gateways can do


SHORT = ("--connections", "32", "--text-bytes", "300", "--body-bytes", "1024")


def long_bodies(size: int) -> tuple[str, ...]:
    return ("--connections", "32", "--text-bytes", "300", "--body-bytes", str(size))


def streams(count: int, events: int, interval_us: int) -> tuple[str, ...]:
    """Starts are spread over the length of a stream, so that as many end as begin at any time."""
    ramp_ms = events * interval_us // 1000
    load = ("--stream", "--connections", str(count), "--ramp-ms", str(ramp_ms))
    return (*load, "--events", str(events), "--interval-us", str(interval_us), "--first-us", str(interval_us))


CALLS = Window("calls", "closed loop, 32 keep-alive connections, 1 KB bodies", SHORT)
SHORT_STREAM, LONG_STREAM = 64, 256  # events
EVENTS = Window(
    "events", "200 streams of 64 events at 50 events/s each", streams(200, SHORT_STREAM, 20_000), "delay", seconds=4.0
)
# The same pace in longer streams: what 192 more events cost is free of all that a call costs at that pace.
MORE_EVENTS = Window(
    "longer streams",
    "200 streams of 256 events at 50 events/s each",
    streams(200, LONG_STREAM, 20_000),
    "delay",
    seconds=8.0,
)
STANDARD = (
    CALLS,
    EVENTS,
    MORE_EVENTS,
    Window("latency at 30 %", "open loop at 30 % of capacity, 1 KB bodies", SHORT, load_share=0.3),
    Window("first event", "open loop, 100 streams/s of 4 events", (*streams(64, 4, 10_000), "--rate", "100"), "ttft"),
)
MORE = (
    Window("calls of 24 KB", "as calls, 24 KB bodies", long_bodies(24 * 1024)),
    Window("calls of 116 KB", "as calls, 116 KB bodies", long_bodies(116 * 1024)),
    Window("calls of 200 KB", "as calls, 200 KB bodies", long_bodies(200 * 1024)),
    Window("500 calls/s", "open loop, 1 KB bodies", (*SHORT, "--rate", "500")),
    Window("2000 calls/s", "open loop, 1 KB bodies", (*SHORT, "--rate", "2000")),
    Window("latency at 60 %", "open loop at 60 % of capacity, 1 KB bodies", SHORT, load_share=0.6),
    Window("many streams", "2,000 streams at 5 events/s each", streams(2000, 20, 200_000), "delay"),
    Window("burst", "50 streams of 200 events back to back: catches joining and Nagle", streams(50, 200, 0), "delay"),
)
