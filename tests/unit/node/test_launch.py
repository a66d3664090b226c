"""A worker process before anybody told it what to serve."""

from edgeproxy.node.launch import launch


def test_a_worker_that_nobody_needs_ends_in_peace() -> None:
    """As when the node cannot listen: its workers have been started already."""
    launched = launch()
    launched.sock.close()
    assert launched.process.wait(60) == 0


def test_the_end_of_one_launched_worker_is_not_that_of_another() -> None:
    first, second = launch(), launch()
    second.sock.close()
    assert second.process.wait(60) == 0
    assert first.process.poll() is None
    first.sock.close()
    assert first.process.wait(60) == 0
