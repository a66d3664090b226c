"""How large a fault is made: what CI has time for, or all that the row says (`FAULTS_FULL=1`)."""

import os

IS_FULL = os.environ.get("FAULTS_FULL") == "1"


def scaled(some: int, all_of_it: int) -> int:
    return all_of_it if IS_FULL else some
