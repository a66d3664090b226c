"""U43: an endpoint that works and fails in turns. It is left alone for longer and longer; clients hardly notice."""

import asyncio
import time

from support.builders import FIRST, LAST
from support.doors import BOTH
from support.fate import ending
from support.http import Request
from support.replies import chat, error_body
from support.route_table import Routes
from support.scale import scaled
from support.scripted import Script, Send, Serve
from support.stage import Lot

from edgeproxy._core import codes

DOORS = BOTH
LOTS = 1
CALLS_A_SECOND = 20
PERIOD_S = 5.0


def ten_minutes(seed: int) -> tuple[float, int]:
    """The longest time for which it was left alone, and how many calls it cost an attempt."""
    routes = Routes(2, weights=[FIRST, LAST], seed=seed)
    began, longest_s, failures = routes.now, 0.0, 0
    for number in range(600 * CALLS_A_SECOND):
        routes.now = began + number / CALLS_A_SECOND
        is_ill = int((routes.now - began) / PERIOD_S) % 2 == 0
        attempt = routes.must_pick()
        if attempt.position == 0 and is_ill:
            failures += 1
            routes.fail(attempt)
            attempt = routes.must_pick(0b10)
        routes.succeed(attempt)
        if routes.state() == codes.OPEN:
            longest_s = max(longest_s, routes.until() - routes.now)
    return longest_s, failures


def test_u43_ten_minutes_of_it_by_the_clock_of_the_table() -> None:
    """80 s and more before jitter, which takes up to a half; less only where each probe falls into a good moment."""
    runs = [ten_minutes(seed) for seed in range(9)]
    assert sorted(longest_s for longest_s, _ in runs)[4] > 40.0
    assert all(failures < 600 * CALLS_A_SECOND // 100 for _, failures in runs)


async def test_u43_clients_do_not_notice(lot: Lot) -> None:
    began = time.monotonic()

    def flapping(request: Request) -> Script:
        is_ill = int((time.monotonic() - began) / PERIOD_S) % 2 == 0
        return [Send(error_body(500))] if is_ill else chat().answer(request)

    endings = list[str]()
    async with lot.a.plays([Serve(flapping)]) as a, lot.b.plays([chat()]):
        while time.monotonic() - began < scaled(12, 600):
            endings.append(ending(await lot.chat()))
            await asyncio.sleep(1 / CALLS_A_SECOND)
        assert endings.count("whole") > 0.99 * len(endings)
        failed = sum(line["attempts"] > 1 for line in lot.lines())
        assert failed <= len(a.requests)
        assert failed < 0.2 * len(endings)
    metrics = await lot.edge.metrics()
    assert lot.errors(metrics, "5xx") == failed
    opened = metrics.value("edgeproxy_breaker_transitions_total", provider=lot.a.name, state="open")
    assert opened >= 1
    assert all(line["cost_usd"] for line in lot.lines())
