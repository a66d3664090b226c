"""What a process asks of the kernel, by strace: the difference of a longer load and a shorter one."""

import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable

LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", re.MULTILINE)


def syscalls(pid: int, less: Callable[[], None], more: Callable[[], None], units: int) -> dict[str, float]:
    """How often a unit makes each of them, the most frequent first."""
    found = traced(pid, more)
    found.subtract(traced(pid, less))
    return {name: count / units for name, count in found.most_common() if count / units >= 0.005}


def traced(pid: int, load: Callable[[], None]) -> "Counter[str]":
    with tempfile.NamedTemporaryFile("r") as out:
        command = ["strace", "-f", "-c", "-o", out.name, "-p", str(pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            if "attached" not in (said := strace.stderr.readline()):
                raise RuntimeError(f"strace could not attach: {said.strip()}")
            try:
                load()
            finally:
                strace.send_signal(signal.SIGINT)
                strace.communicate()
        return Counter({name: int(count) for count, name in LINE.findall(out.read()) if name != "total"})
