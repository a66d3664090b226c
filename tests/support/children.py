"""Processes that tests start end with the test run, even if that is killed."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # loaded before the fork: nothing may be imported after it


def die_with_parent() -> None:
    """For `preexec_fn`: SIGKILL when the thread that started the process ends, so use the main one (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
