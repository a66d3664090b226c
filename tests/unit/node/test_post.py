"""When a worker is started again."""

import pytest

from edgeproxy.node.post import LONGEST_PAUSE_S, pause_after


@pytest.mark.parametrize("quick_deaths", [0, 1, 2, 3])
def test_the_first_starts_are_not_delayed(quick_deaths: int) -> None:
    assert pause_after(quick_deaths) == 0.0


def test_a_worker_that_keeps_dying_is_started_less_and_less_often() -> None:
    pauses = [pause_after(count) for count in range(4, 40)]
    assert pauses == sorted(pauses)
    assert 0.0 < pauses[0] < 1.0
    assert pauses[-1] == LONGEST_PAUSE_S
