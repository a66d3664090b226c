"""What every process of a node does to itself at the start: limits, no core dumps, quiet garbage collection."""

import ctypes
import gc
import logging
import math
import os
import resource

from edgeproxy.node.cgroup import cpu_quota
from edgeproxy.proxy.acceptor import RESERVE

log = logging.getLogger(__name__)

PR_SET_DUMPABLE, PR_SET_NAME = 4, 15
MOST_WORKERS = 64
ENOUGH_FDS = 65_536


def harden() -> None:
    """No core dumps and no peeking by other processes of the same user: the memory holds credentials."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def rename(name: str) -> None:
    """What `ps -o comm` shows; at most 15 characters (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def usable_cores() -> int:
    """Cores that this process may use: those of its affinity, and no more than its control group's quota."""
    cores = len(os.sched_getaffinity(0))
    quota = cpu_quota()
    return max(1, min(cores, MOST_WORKERS, math.ceil(quota) if quota else cores))


def raise_fd_limit(*, warns: bool = False) -> int:
    """Use all descriptors that the system allows; say when they are few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if warns and hard < ENOUGH_FDS:
        log.warning(
            "only %d file descriptors a process; raise the limit (LimitNOFILE) for more than %d streams a worker",
            hard,
            hard // 2,
        )
    return hard


def most_clients() -> int:
    """How many clients this process can serve: each may need a connection to a provider too."""
    return max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVE) // 2)


def give_back_memory() -> None:
    """What has been freed goes back to the system (malloc_trim(3)); musl has no such thing."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def settle_memory() -> None:
    """What is loaded now stays: keep the collector from walking it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
