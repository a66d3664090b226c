"""Until when a snapshot may still be used."""

from edgeproxy.node.history import History


def test_without_a_reload_there_is_one() -> None:
    assert History(4).oldest([1.0, 2.0]) == 4


def test_a_call_keeps_the_snapshot_that_it_began_with() -> None:
    history = History(1)
    history.swapped(2, 10.0)
    history.swapped(3, 20.0)
    assert history.oldest([9.0, 25.0]) == 1
    assert history.oldest([15.0, 25.0]) == 2
    assert history.oldest([25.0]) == 3


def test_nobody_uses_anything_but_the_newest() -> None:
    history = History(1)
    history.swapped(2, 10.0)
    assert history.oldest([]) == 2
    assert history.oldest([99.0]) == 2
