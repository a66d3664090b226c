"""U40, U41: an endpoint that is down for a while, and one that is half broken."""

import asyncio
import time
from dataclasses import dataclass, field
from itertools import count

from support.checks import ENDPOINT_LIMIT, is_whole_stream
from support.http import Request
from support.replies import chat, error_body
from support.scripted import Script, Send, Serve
from support.stage import Lot

FIRST_OPEN_S = 5.0  # the first open time, before its jitter of a half


@dataclass
class Patient:
    """A provider that answers 500 until it is healed."""

    is_ill: bool = True
    refused_at: list[float] = field(default_factory=list)

    def answer(self, request: Request) -> Script:
        if not self.is_ill:
            return chat().answer(request)
        self.refused_at.append(time.monotonic())
        return [Send(error_body(500))]


async def test_u40_opens_probes_once_a_window_and_recovers(lot: Lot) -> None:
    patient = Patient()
    async with lot.a.plays([Serve(patient.answer)]) as a, lot.b.plays([chat()]):
        opened_at = time.monotonic()
        while time.monotonic() - opened_at < FIRST_OPEN_S + 2.0:
            is_whole_stream(await lot.chat())
            await asyncio.sleep(0.02)
        assert len(patient.refused_at) >= ENDPOINT_LIMIT
        probes = patient.refused_at[ENDPOINT_LIMIT:]
        assert len(probes) <= 2, "at most one probe an open window"
        assert all(after - opened_at >= FIRST_OPEN_S / 2 for after in probes)

        patient.is_ill = False
        healed_at, seen = time.monotonic(), len(a.requests)
        while await lot.breaker() not in ("ramp", "closed"):
            assert time.monotonic() - healed_at < 15.0, "the second open time is at most 10 s"
            is_whole_stream(await lot.chat())
            await asyncio.sleep(0.02)
        assert len(a.requests) - seen >= 3, "three good probes close it"
        while await lot.breaker() != "closed":
            assert time.monotonic() - healed_at < 45.0, "full weight within 45 s"
            await lot.chat()
            await asyncio.sleep(0.5)


async def test_u41_a_rate_of_failures_opens_and_attempts_stay_bounded(lot: Lot) -> None:
    turn = count()

    def every_second(request: Request) -> Script:
        return [Send(error_body(500))] if next(turn) % 2 else chat().answer(request)

    calls = 60
    async with lot.a.plays([Serve(every_second)]) as a, lot.b.plays([chat()]) as b:
        for _ in range(calls):
            is_whole_stream(await lot.chat())
        assert await lot.breaker() != "closed"
        assert len(a.requests) + len(b.requests) <= 1.2 * calls
