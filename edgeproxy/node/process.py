"""What every process of a node does to itself at the start: limits, no core dumps, quiet garbage collection."""

import ctypes
import gc
import logging
import resource

log = logging.getLogger(__name__)

PR_SET_DUMPABLE = 4
ENOUGH_FDS = 65_536


def harden() -> None:
    """No core dumps and no peeking by other processes of the same user: the memory holds credentials."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_fd_limit() -> int:
    """Use all descriptors that the system allows; warn when they are few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < ENOUGH_FDS:
        log.warning("only %d file descriptors; raise the limit (LimitNOFILE) for more than %d streams", hard, hard // 2)
    return hard


def settle_memory() -> None:
    """What is loaded now stays: keep the collector from walking it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
