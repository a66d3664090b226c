"""How short of memory the node is: looked at once a second, for all its processes together.

The limit is the control group's, or what the configuration says. The system kills at 100 %: long before that large
bodies are refused (85 %), then all new calls (92 %), then the largest calls are ended (97 %).
"""

from collections.abc import Iterable
from pathlib import Path

from edgeproxy.node.cgroup import memory_limit, memory_used
from edgeproxy.proxy.accept import Pressure
from edgeproxy.telemetry.process import private_bytes

STEPS = ((97, Pressure.SHED), (92, Pressure.REFUSE), (85, Pressure.SHRINK))  # percent
NEAR = 70  # percent, from which on it is looked at more often
RELIEF = 3  # percent below a step, before it is taken back: else it would flutter


class MemoryWatch:
    def __init__(self, configured: int | None) -> None:
        group = memory_limit()
        self.limit = configured or (group[0] if group else 0)  # 0: there is none
        self._group: Path | None = group[1] if group and not configured else None
        self.level = Pressure.NONE
        self.used = 0

    @property
    def excess(self) -> int:
        """Bytes to get rid of, so that calls can be taken again."""
        return max(0, self.used - self.limit * 92 // 100)

    @property
    def pause_s(self) -> float:
        """Until the next look."""
        return 0.1 if self.used * 100 > self.limit * NEAR else 1.0

    def look(self, pids: Iterable[int]) -> bool:
        """Whether the level has changed. `pids`: the node's processes."""
        if not self.limit:
            return False
        self.used = memory_used(self._group) if self._group else sum(map(private_bytes, pids))
        before, self.level = self.level, level_of(100 * self.used / self.limit, self.level)
        return self.level != before


def level_of(percent: float, before: Pressure) -> Pressure:
    for step, level in STEPS:
        if percent >= step - (RELIEF if before >= level else 0):
            return level
    return Pressure.NONE
