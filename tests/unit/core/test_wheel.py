"""The timer wheel, with a clock of the test's own."""

import gc
import time
import weakref
from collections.abc import Callable

import pytest

from edgeproxy._core.wheel import Timer, Wheel

TICK_S = 0.05
Due = Callable[[float], float | None]


class Clock:
    """The wheel starts at the real time; the test moves on from there."""

    def __init__(self, size: int = 512) -> None:
        self.wheel = Wheel(TICK_S, size)
        self.now = time.monotonic()

    def turn(self, seconds: float) -> None:
        self.now += seconds
        self.wheel.advance(self.now)


def noting(into: list[str], name: str, later: Due = lambda now: None) -> Due:
    def due(now: float) -> float | None:
        into.append(name)
        return later(now)

    return due


def test_nothing_happens_before_its_time() -> None:
    clock, seen = Clock(), list[str]()
    clock.wheel.arm(noting(seen, "a"), clock.now + 1.0)
    clock.turn(0.9)
    assert seen == []
    clock.turn(0.2)
    assert seen == ["a"]


def test_what_is_due_earlier_is_called_earlier() -> None:
    clock, seen = Clock(), list[str]()
    for name, seconds in (("c", 0.9), ("a", 0.1), ("b", 0.5)):
        clock.wheel.arm(noting(seen, name), clock.now + seconds)
    clock.turn(1.0)
    assert seen == ["a", "b", "c"]


def test_a_deadline_is_late_by_two_ticks_at_most() -> None:
    clock, seen = Clock(), list[str]()
    deadline = clock.now + 0.513
    clock.wheel.arm(noting(seen, "a"), deadline)
    while not seen:
        clock.turn(0.01)
    assert 0.0 <= clock.now - deadline <= 2 * TICK_S


def test_a_deadline_in_the_past_is_due_at_the_next_tick() -> None:
    clock, seen = Clock(), list[str]()
    clock.wheel.arm(noting(seen, "a"), clock.now - 100)
    clock.turn(2 * TICK_S)
    assert seen == ["a"]


def test_a_deadline_beyond_the_horizon_waits_for_its_round() -> None:
    clock, seen = Clock(size=8), list[str]()
    clock.wheel.arm(noting(seen, "a"), clock.now + 100 * TICK_S)
    for _ in range(98):
        clock.turn(TICK_S)
    assert seen == []
    for _ in range(4):
        clock.turn(TICK_S)
    assert seen == ["a"]


@pytest.mark.parametrize("pause_s", [0.4, 0.41, 10.0, 86_400.0])
def test_a_pause_longer_than_the_wheel_misses_nothing(pause_s: float) -> None:
    clock, seen = Clock(size=8), list[str]()
    for step in range(20):
        clock.wheel.arm(noting(seen, str(step)), clock.now + step * TICK_S / 4)
    clock.turn(pause_s)
    clock.turn(2 * TICK_S)
    assert sorted(seen, key=int) == [str(step) for step in range(20)]


def test_after_a_pause_what_is_not_due_still_waits() -> None:
    clock, seen = Clock(size=8), list[str]()
    clock.wheel.arm(noting(seen, "a"), clock.now + 50.0)
    clock.turn(49.0)
    assert seen == []
    clock.turn(1.1)
    assert seen == ["a"]


def test_an_owner_that_answers_with_a_later_deadline_is_asked_again() -> None:
    clock, seen = Clock(), list[str]()
    clock.wheel.arm(noting(seen, "a", lambda now: now + 1.0), clock.now + 0.1)
    for _ in range(60):
        clock.turn(TICK_S)
    assert len(seen) == 3
    assert clock.wheel.armed == 1


def test_a_cancelled_timer_is_never_called_and_lets_go_of_its_owner_at_once() -> None:
    class Owner:
        def due(self, now: float) -> float | None:
            raise AssertionError("called after all")

    clock, owner = Clock(), Owner()
    timer = clock.wheel.arm(owner.due, clock.now + 0.1)
    gone = weakref.ref(owner)
    timer.cancel()
    gc.disable()
    try:
        del owner
        assert gone() is None
    finally:
        gc.enable()
    clock.turn(1.0)
    assert clock.wheel.armed == 0


def test_an_owner_may_cancel_itself_while_it_is_called() -> None:
    clock = Clock()
    timers: list[Timer] = []

    def due(now: float) -> float | None:
        timers[0].cancel()
        return now + 5.0

    timers.append(clock.wheel.arm(due, clock.now + 0.1))
    clock.turn(1.0)
    assert (clock.wheel.armed, timers[0].is_armed) == (0, False)


def test_an_owner_may_arm_another_while_it_is_called() -> None:
    clock, seen = Clock(), list[str]()

    def due(now: float) -> float | None:
        clock.wheel.arm(noting(seen, "second"), now)
        return None

    clock.wheel.arm(due, clock.now + 0.1)
    clock.turn(1.0)
    clock.turn(2 * TICK_S)
    assert seen == ["second"]


def test_an_owner_that_fails_hurts_nobody_else() -> None:
    clock, seen = Clock(), list[str]()

    def broken(now: float) -> float | None:
        raise LookupError("mine alone")

    at = clock.now + 0.1
    clock.wheel.arm(noting(seen, "before"), at)
    clock.wheel.arm(broken, at)
    clock.wheel.arm(noting(seen, "after"), at)
    clock.wheel.arm(noting(seen, "later"), at + 0.5)
    with pytest.raises(LookupError):
        clock.turn(1.0)
    assert seen == ["before", "after", "later"]
    assert clock.wheel.armed == 0


@pytest.mark.parametrize(("tick_s", "size"), [(0.0, 8), (-1.0, 8), (float("nan"), 8), (0.05, 1)])
def test_a_wheel_that_cannot_turn_is_refused(tick_s: float, size: int) -> None:
    with pytest.raises(ValueError, match="tick_s"):
        Wheel(tick_s, size)
