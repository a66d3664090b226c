"""Bytes without sense for everything that reads bytes from outside: nothing breaks, nothing depends on how they come.

`FUZZ_SECONDS` for each reader; the seed of a finding is in its message, and `FUZZ_SEED` plays it again. `make fuzz`
runs them on a core built with AddressSanitizer.
"""

import os
import sys
import time
from types import ModuleType

import pytest
from fuzz import fuzz_door, fuzz_reply, fuzz_scanner, fuzz_spans
from fuzz.mutate import Mutator

SECONDS = float(os.environ.get("FUZZ_SECONDS", "2"))
BATCH = 50


TARGETS = [fuzz_door, fuzz_reply, fuzz_scanner, fuzz_spans]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__.rpartition("_")[2])
def test_no_bytes_break_it(target: ModuleType) -> None:
    first = int(os.environ.get("FUZZ_SEED", time.time_ns()))
    until, runs = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        mutator = Mutator(target.SEEDS, target.WORDS, first + runs)
        for _ in range(BATCH):
            data = mutator.next()
            pieces = mutator.pieces(data)
            try:
                target.check(data, pieces)
            except Exception as error:
                raise AssertionError(f"FUZZ_SEED={first + runs}: {data!r} in {pieces!r}") from error
        runs += BATCH
    sys.stderr.write(f"{target.__name__}: {runs:,} inputs\n")
