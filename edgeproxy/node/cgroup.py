"""What the control group of this process allows: cores and memory. Both versions of control groups (cgroups(7))."""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60  # version 1 says a number beyond all memory


def cpu_quota(root: Path = ROOT, of: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores, which need not be whole; None where nothing is set."""
    quotas = []
    for folder in folders(root, of, "cpu"):
        words = _read(folder / "cpu.max").split()
        if not words:
            words = [_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()]
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT, of: Path = Path("/proc/self/cgroup")) -> tuple[int, Path] | None:
    """The least limit in bytes, and the folder of the group that has it; None where nothing is set."""
    found = []
    for folder in folders(root, of, "memory"):
        text = (_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")).strip()
        if text.isdecimal() and int(text) < UNLIMITED:
            found.append((int(text), folder))
    return min(found, default=None)


def memory_used(folder: Path) -> int:
    """Bytes that cannot be had back by dropping files from the cache: what the system would kill for."""
    total = (_read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes")).strip()
    cached = 0
    for line in _read(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.isdecimal():
            cached = int(value)
    return max(0, int(total) - cached) if total.isdecimal() else 0


def folders(root: Path, of: Path, controller: str) -> list[Path]:
    """The group of this process and those above it, as far as they can be seen from here."""
    found: list[Path] = []
    for line in _read(of).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        group = top / path.lstrip("/")
        found += [folder for folder in (group, *group.parents) if folder == top or top in folder.parents]
    return list(dict.fromkeys([*found, root]))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
