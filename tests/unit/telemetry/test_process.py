"""Process usage comes from the kernel's own books."""

import os
import sys

import pytest

from edgeproxy.telemetry.process import usage_of


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")
def test_this_process_uses_something() -> None:
    usage = usage_of(os.getpid())
    assert usage is not None
    times = os.times()
    assert usage.cpu_s == pytest.approx(times.user + times.system, abs=0.5)
    assert usage.resident_bytes > 10_000_000
    assert usage.open_fds >= 3


def test_nobody_uses_nothing() -> None:
    assert usage_of(2**22 + 1) is None
