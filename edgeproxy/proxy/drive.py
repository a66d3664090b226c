"""The one driver: runs a call's coroutine with `send` and `throw`, without a task.

Our coroutines wait for a `Signal` and for nothing else. Whoever sets it resumes the coroutine in the same stack, in
the same turn of the loop. A foreign awaitable (a dial, a body that is still coming) runs in a task of its own: see
`foreign`. So nothing inside `proxy/` may use `asyncio.timeout`, `current_task` or a task group.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Signal(Generic[T]):
    """Set once, awaited once. Setting it before the wait is fine; setting it again changes nothing."""

    __slots__ = ("_drive", "_error", "_value", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._drive: Drive | None = None

    def set(self, value: T) -> None:
        if not self.is_set:
            self.is_set = True
            self._value = value
            self._wake()

    def fail(self, error: BaseException) -> None:
        if not self.is_set:
            self.is_set = True
            self._error = error
            self._wake()

    def _wake(self) -> None:
        drive, self._drive = self._drive, None
        if drive is not None:
            drive.resume(self)

    def attach(self, drive: "Drive | None") -> None:
        self._drive = drive

    def __await__(self) -> Generator["Signal[Any]", None, T]:
        if not self.is_set:
            yield self
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # it holds the frames that it passes, and they hold the signal
        return self._value  # type: ignore[return-value]  # set together with is_set


class Drive:
    """Runs one coroutine to its end; `ended(error)` is called once, with what it raised or None."""

    __slots__ = ("_coroutine", "_ended", "_is_running", "_waits_for")

    def __init__(self, coroutine: Coroutine[Signal[Any], None, None], ended: Callable[[BaseException | None], None]):
        self._coroutine = coroutine
        self._ended = ended
        self._waits_for: Signal[Any] | None = None
        self._is_running = False

    @property
    def is_waiting(self) -> bool:
        return self._waits_for is not None

    def start(self) -> None:
        self._step(None)

    def resume(self, signal: Signal[Any]) -> None:
        if self._waits_for is signal:
            self._step(None)

    def throw(self, error: BaseException) -> None:
        """Raise `error` where the coroutine waits. One that is running or over is left alone."""
        if self._waits_for is not None:
            self._waits_for.attach(None)
            self._step(error)

    def _step(self, error: BaseException | None) -> None:
        self._waits_for = None
        try:
            signal = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration:
            self._ended(None)
        except Exception as raised:  # the door renders it: nothing may escape into a protocol callback
            self._ended(raised)
        else:
            self._waits_for = signal
            signal.attach(self)
            if signal.is_set:  # set between the yield and the attach
                self.resume(signal)


async def foreign(
    awaitable: Coroutine[Any, Any, T],
    loop: asyncio.AbstractEventLoop,
    give_back: Callable[[T], None] | None = None,
) -> T:
    """Wait for somebody else's coroutine; it runs in a task, which is cancelled when the call is thrown out of here.

    `give_back` gets the result that nobody waits for any more: it was ready when the call was thrown out.
    """
    signal: Signal[T] = Signal()
    task = loop.create_task(awaitable)
    is_left = False

    def done(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            signal.fail(ConnectionAbortedError("cancelled"))
        elif (error := task.exception()) is not None:
            signal.fail(error)
        elif is_left and give_back is not None:
            give_back(task.result())
        else:
            signal.set(task.result())

    task.add_done_callback(done)
    try:
        return await signal
    finally:
        is_left = True
        task.cancel()
        del task  # it may hold an error, which holds this frame
