"""Count the instructions of each unit under callgrind and hold them to budget.json.

    python benchmarks/micro/run.py [NAME ...] [--update]

The figure of a unit is the difference between a run of 3N and one of N rounds, over 2N: start-up cancels out. It needs
PYTHONHASHSEED=0, which -I and -E would drop. Exit 1: a unit is over its budget by more than 5 %; 2: no valgrind.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUDGET = HERE / "budget.json"
ROUNDS = 2_000
SLACK = 1.05  # another machine's C library has other string functions


def instructions(name: str, rounds: int) -> int:
    """The whole program's."""
    run = subprocess.run(
        [
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            sys.executable,
            "-m",
            "benchmarks.micro.units",
            name,
            str(rounds),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or found is None:
        raise SystemExit(f"{name}: {run.stderr[-2000:]}")
    return int(found[1])


def cost(name: str) -> float:
    return (instructions(name, 3 * ROUNDS) - instructions(name, ROUNDS)) / (2 * ROUNDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these units")
    parser.add_argument("--update", action="store_true", help="write the figures into budget.json")
    asked = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("instructions are counted by valgrind, which is not installed: apt-get install valgrind", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    from benchmarks.micro.units import UNITS

    if unknown := set(asked.names) - set(UNITS):
        parser.error(f"no unit named {', '.join(sorted(unknown))}; there are {', '.join(UNITS)}")
    budget: dict[str, int] = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    names = asked.names or list(UNITS)
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(names, pool.map(cost, names), strict=True))
    is_over = report(found, budget)
    if asked.update:
        kept = {name: budget[name] for name in UNITS if name in budget}
        BUDGET.write_text(json.dumps({**kept, **{n: round(c) for n, c in found.items()}}, indent=2) + "\n")
        return 0
    return 1 if is_over else 0


def report(found: dict[str, float], budget: dict[str, int]) -> bool:
    """Print the table; true when a unit is over its budget, or has none."""
    is_over = False
    width = max(map(len, found))
    print(f"{'unit':{width}}  instructions  budget  change")
    for name, count in found.items():
        allowed = budget.get(name)
        change = f"{100 * (count / allowed - 1):+.1f} %" if allowed else "no budget: --update"
        is_over |= allowed is None or count > allowed * SLACK
        print(f"{name:{width}}  {count:12.1f}  {allowed or '-':>6}  {change}")
    return is_over


if __name__ == "__main__":
    sys.exit(main())
