"""The ladder of memory: when each step is taken, and when it is taken back."""

import os

import pytest

from edgeproxy.node import pressure
from edgeproxy.node.pressure import MemoryWatch, level_of
from edgeproxy.proxy.accept import Pressure


@pytest.mark.parametrize(
    ("percent", "level"),
    [
        (0, Pressure.NONE),
        (84.9, Pressure.NONE),
        (85, Pressure.SHRINK),
        (91.9, Pressure.SHRINK),
        (92, Pressure.REFUSE),
        (97, Pressure.SHED),
        (150, Pressure.SHED),
    ],
)
def test_each_step_has_its_share_of_the_limit(percent: float, level: Pressure) -> None:
    assert level_of(percent, Pressure.NONE) is level


def test_a_step_is_taken_back_only_well_below_it() -> None:
    assert level_of(90, Pressure.REFUSE) is Pressure.REFUSE
    assert level_of(88.9, Pressure.REFUSE) is Pressure.SHRINK
    assert level_of(83, Pressure.SHRINK) is Pressure.SHRINK
    assert level_of(81, Pressure.SHRINK) is Pressure.NONE


def test_without_a_limit_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "memory_limit", lambda: None)
    watch = MemoryWatch(None)
    assert not watch.look([os.getpid()])
    assert watch.level is Pressure.NONE


def test_the_memory_of_all_processes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "private_bytes", {1: 300, 2: 560}.__getitem__)
    watch = MemoryWatch(1000)
    assert watch.look([1, 2])
    assert (watch.level, watch.used, watch.excess) == (Pressure.SHRINK, 860, 0)
    assert not watch.look([1, 2])


def test_what_is_too_much_is_what_keeps_calls_from_being_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "private_bytes", lambda pid: 990)
    watch = MemoryWatch(1000)
    watch.look([1])
    assert (watch.level, watch.excess) == (Pressure.SHED, 70)
