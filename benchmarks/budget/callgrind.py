"""A real worker under callgrind: how it is started, when it counts, and the stacks that it counted for."""

import re
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.tools import BENCHMARKS, BUILD

HERE = Path(__file__).parent
DEPTH = 200  # C functions of a stack that are told apart
Stack = tuple[str, ...]  # the innermost function first

# Stands where the supervisor looks for Python: a worker goes under callgrind, anything else runs as it is.
WRAPPER = """\
#!/bin/sh
[ "$2" = edgeproxy.node.worker ] || exec {python} "$@"
export PYTHONHASHSEED=0 PYTHONPATH={build}:{root}
exec valgrind --quiet --tool=callgrind --instr-atstart=no --separate-callers={depth} --dump-line=no \\
    --compress-strings=yes --compress-pos=no --callgrind-out-file={work}/callgrind.out.%p \\
    {python} {here}/worker.py {names} "$@"
"""


def build_frames() -> None:
    source, target = HERE / "frames.c", BUILD / "frames.so"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return
    BUILD.mkdir(exist_ok=True)
    include = sysconfig.get_path("include")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(target)], check=True)


def write_wrapper(work: Path, with_functions: bool) -> Path:
    path = work / "python"
    path.write_text(
        WRAPPER.format(
            python=sys.executable,
            build=BUILD,
            root=BENCHMARKS.parent,
            here=HERE,
            work=work,
            depth=DEPTH if with_functions else 0,
            names=f"{work}/names.$$" if with_functions else "-",
        )
    )
    path.chmod(0o755)
    return path


def tell(pid: int, command: str) -> None:
    """A monitor command to the valgrind that runs as `pid`."""
    run = subprocess.run(["vgdb", f"--pid={pid}", "--wait=20", command], capture_output=True, text=True, timeout=120)
    if run.returncode:
        raise RuntimeError(f"vgdb {command}: {run.stderr.strip()[-300:]}")


class Counts(NamedTuple):
    own: "Counter[Stack]"  # instructions of the innermost function
    times: "Counter[Stack]"  # that it was called

    def minus(self, other: "Counts") -> "Counts":
        own, times = Counter(self.own), Counter(self.times)
        own.subtract(other.own)
        times.subtract(other.times)
        return Counts(own, times)


class Dumps:
    """The dumps of one worker, in their order: what was counted since the one before."""

    def __init__(self, work: Path, pid: int) -> None:
        self._work = work
        self._pid = pid
        self._count = 0

    def start(self) -> None:
        tell(self._pid, "instrumentation on")
        self.take()

    def take(self) -> Counts:
        tell(self._pid, "dump")
        self._count += 1
        return read(self._work / f"callgrind.out.{self._pid}.{self._count}")


FUNCTION = re.compile(r"(c?)fn=\((\d+)\)(?: (.*))?$")


def read(path: Path) -> Counts:
    """Instructions and calls by stack."""
    own: Counter[Stack] = Counter()
    times: Counter[Stack] = Counter()
    names: dict[str, Stack] = {}
    stack: Stack = ()
    called: Stack = ()
    with path.open(errors="replace") as lines:
        for line in lines:
            if line[:1].isdigit():
                own[stack] += int(line.split()[1])
            elif line.startswith("calls="):
                times[called] += int(line[6:].split()[0])
                next(lines)  # the cost of the call: the called function counts it as its own
            elif match := FUNCTION.match(line):
                is_called, number, text = match.groups()
                if text is not None:  # a number in it is a level of recursion
                    names[number] = tuple(part for part in text.split("'") if not part.isdigit())
                if is_called:
                    called = names[number]
                else:
                    stack = names[number]
    return Counts(own, times)
