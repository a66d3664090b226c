"""What a worker process uses, from /proc. Elsewhere than on Linux nothing is told."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME, _RSS = 11, 12, 21  # proc(5): fields of /proc/pid/stat, counted after the name in parentheses


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    cpu_s: float
    resident_bytes: int
    open_fds: int


def usage_of(pid: int) -> ProcessUsage | None:
    """None when the process is gone or there is no /proc."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        open_fds = sum(1 for _ in os.scandir(folder / "fd"))
    except OSError:
        return None
    cpu_s = (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS
    return ProcessUsage(cpu_s, int(fields[_RSS]) * _PAGE, open_fds)


def private_bytes(pid: int) -> int:
    """Resident memory that is the process's own: not files, not what it shares. 0 when it is gone."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE
