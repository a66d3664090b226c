"""Start what is measured, read what its whole process tree costs, end it again."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot be asked for port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """`command` while the block runs; SIGTERM, then SIGKILL to its whole session. What it says goes to `log`."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    members = tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in members[1:]:  # children that outlived their parent; still ours, so still in its session
        try:
            if os.getsid(pid) == process.pid:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_for(is_ready: Callable[[], bool], what: str, process: subprocess.Popen[bytes], limit_s: float = 30.0) -> None:
    """Poll until `is_ready`; the process's own log says why it is not."""
    until = time.monotonic() + limit_s
    while not is_ready():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended at start with {process.returncode}")
        if time.monotonic() > until:
            raise RuntimeError(f"{what} was not ready in {limit_s:.0f} s")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found


def cpu_ns(pid: int) -> int:
    """CPU time of the tree below `pid`, threads and children that have ended included."""
    return sum(_process_ns(member) for member in tree(pid))


def rss_bytes(pid: int) -> int:
    """Proportional resident memory of the tree: shared pages are counted once."""
    return sum(_pss_bytes(member) for member in tree(pid))


def resident_bytes(pid: int) -> int:
    """Of one process, pages that it shares included."""
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def machine_busy_ns() -> int:
    """CPU time that the whole machine has spent on anything but idling."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) * TICK_NS


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, which may hold spaces: [0] is the state, [1] the parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _process_ns(pid: int) -> int:
    """Schedstat is exact but forgets ended threads; stat forgets nothing but counts in ticks of 10 ms."""
    fields = _stat(pid)
    if not fields:
        return 0
    exact = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            exact += int(task.read_text().split()[0])
        except OSError:
            continue
    own, waited_for = (int(fields[11]) + int(fields[12])) * TICK_NS, (int(fields[13]) + int(fields[14])) * TICK_NS
    return (exact if own - exact < 2 * TICK_NS else own) + waited_for


def _pss_bytes(pid: int) -> int:
    """A process that may not be looked into (PR_SET_DUMPABLE) tells only root; else its resident size has to do."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return resident_bytes(pid)
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
