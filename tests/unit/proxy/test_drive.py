"""The driver: a coroutine waits for signals, resumes in the stack that sets them, and ends once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from edgeproxy._core.drive import Drive, Signal
from edgeproxy.proxy.drive import foreign


class Ends:
    """How often a coroutine ended, and with what."""

    def __init__(self) -> None:
        self.seen: list[BaseException | None] = []

    def add(self, error: BaseException | None) -> None:
        self.seen.append(error)


def driven(coroutine: Coroutine[Signal[Any], None, None]) -> tuple[Drive, Ends]:
    ends = Ends()
    drive = Drive(coroutine, Ends.add, ends)
    drive.start()
    return drive, ends


def test_a_coroutine_that_waits_for_nothing_ends_in_start() -> None:
    async def serve() -> None:
        return None

    assert driven(serve())[1].seen == [None]


def test_setting_resumes_in_the_same_stack() -> None:
    signal: Signal[int] = Signal()
    got = []

    async def serve() -> None:
        got.append(await signal)

    drive, ends = driven(serve())
    assert drive.is_waiting
    signal.set(7)
    assert (got, ends.seen, drive.is_waiting) == ([7], [None], False)


def test_a_signal_set_before_the_wait_does_not_suspend() -> None:
    signal: Signal[str] = Signal()
    signal.set("early")
    got = []

    async def serve() -> None:
        got.append(await signal)

    assert driven(serve())[1].seen == [None]
    assert got == ["early"]


def test_the_first_value_stays() -> None:
    signal: Signal[int] = Signal()
    signal.set(1)
    signal.set(2)
    signal.fail(ValueError("late"))
    got = []

    async def serve() -> None:
        got.append(await signal)

    driven(serve())
    assert got == [1]


def test_a_failed_signal_raises_where_the_coroutine_waits() -> None:
    signal: Signal[int] = Signal()
    got = []

    async def serve() -> None:
        try:
            await signal
        except ValueError as error:
            got.append(str(error))

    driven(serve())
    signal.fail(ValueError("broken"))
    assert got == ["broken"]


def test_one_signal_after_the_other_in_one_stack() -> None:
    first: Signal[int] = Signal()
    second: Signal[int] = Signal()
    second.set(2)
    got = []

    async def serve() -> None:
        got.append(await first)
        got.append(await second)

    driven(serve())
    first.set(1)
    assert got == [1, 2]


def test_an_exception_reaches_ended_once_and_goes_no_further() -> None:
    signal: Signal[None] = Signal()
    error = KeyError("x")

    async def serve() -> None:
        await signal
        raise error

    _, ends = driven(serve())
    signal.set(None)
    assert ends.seen == [error]


def test_throw_raises_where_the_coroutine_waits() -> None:
    error = ConnectionError("gone")

    async def serve() -> None:
        await Signal[None]()

    drive, ends = driven(serve())
    drive.throw(error)
    assert ends.seen == [error]


def test_a_signal_set_after_the_throw_is_nobody_s() -> None:
    signal: Signal[None] = Signal()

    async def serve() -> None:
        await signal

    drive, ends = driven(serve())
    drive.throw(ConnectionError())
    signal.set(None)
    drive.throw(ConnectionError())
    assert len(ends.seen) == 1


def test_a_coroutine_may_catch_what_is_thrown_and_wait_again() -> None:
    first: Signal[None] = Signal()
    second: Signal[str] = Signal()
    got = []

    async def serve() -> None:
        try:
            await first
        except ConnectionError:
            got.append(await second)

    drive, ends = driven(serve())
    drive.throw(ConnectionError())
    first.set(None)  # it does not wait for this one any more
    assert ends.seen == []
    second.set("after")
    assert (got, ends.seen) == (["after"], [None])


def test_throwing_into_one_that_runs_or_is_over_changes_nothing() -> None:
    drives: list[Drive] = []

    async def running(signal: Signal[None]) -> None:
        await signal
        drives[0].throw(ConnectionError())

    signal: Signal[None] = Signal()
    drive, ends = driven(running(signal))
    drives.append(drive)
    signal.set(None)
    drive.throw(ConnectionError())
    assert ends.seen == [None]


def test_a_coroutine_thrown_out_of_its_wait_leaves_no_cycle() -> None:
    signal: Signal[None] = Signal()

    async def serve() -> None:
        await signal

    drive, _ = driven(serve())
    drive.throw(ConnectionError())
    assert not drive.is_waiting


# --- foreign awaitables --------------------------------------------------------------------------------------------


async def ended_by(build: Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, None]]) -> BaseException | None:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[BaseException | None] = loop.create_future()
    Drive(build(loop), lambda over, error: over.set_result(error), over).start()
    return await asyncio.wait_for(over, 5)


async def test_a_foreign_result_comes_back() -> None:
    got = []

    async def five() -> int:
        await asyncio.sleep(0)
        return 5

    async def serve(loop: asyncio.AbstractEventLoop) -> None:
        got.append(await foreign(five(), loop))

    assert await ended_by(serve) is None
    assert got == [5]


async def test_a_foreign_error_comes_back() -> None:
    async def broken() -> int:
        await asyncio.sleep(0)
        raise LookupError("no")

    async def serve(loop: asyncio.AbstractEventLoop) -> None:
        await foreign(broken(), loop)

    assert isinstance(await ended_by(serve), LookupError)


async def test_throwing_cancels_the_foreign_task() -> None:
    loop = asyncio.get_running_loop()
    cancelled = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def serve() -> None:
        await foreign(long(), loop)

    drive, ends = driven(serve())
    await asyncio.sleep(0)
    drive.throw(ConnectionError())
    await asyncio.wait_for(cancelled.wait(), 5)
    assert len(ends.seen) == 1


async def test_a_foreign_task_that_somebody_else_cancels_is_an_ordinary_error() -> None:
    async def serve(loop: asyncio.AbstractEventLoop) -> None:
        async def cancels_itself() -> None:
            raise asyncio.CancelledError

        await foreign(cancels_itself(), loop)

    assert isinstance(await ended_by(serve), ConnectionError)


@pytest.mark.parametrize("is_set", [True, False])
def test_a_signal_knows_whether_it_is_set(is_set: bool) -> None:
    signal: Signal[int] = Signal()
    if is_set:
        signal.set(1)
    assert signal.is_set is is_set
