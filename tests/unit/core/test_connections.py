"""Connection counts over shared memory: what is refused at the def."""

import pytest

from edgeproxy._core.connections import ConnectionCounts


@pytest.mark.parametrize(("rows", "row"), [(0, 0), (2, 2), (2, -1)])
def test_a_row_that_does_not_exist_is_refused(rows: int, row: int) -> None:
    with pytest.raises(ValueError, match="row"):
        ConnectionCounts(bytearray(ConnectionCounts.size_of(2)), rows, row)


def test_a_buffer_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        ConnectionCounts(bytearray(ConnectionCounts.size_of(2) - 1), 2, 0)


def test_only_a_row_of_the_table_can_be_reclaimed() -> None:
    with pytest.raises(IndexError):
        ConnectionCounts(bytearray(ConnectionCounts.size_of(1)), 1, 0).reclaim(1)
