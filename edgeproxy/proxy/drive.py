"""How a call's coroutine waits for somebody else's: in a task of its own, which sets a `Signal`.

Our coroutines are run by `_core.drive`, without a task, and wait for a `Signal` and for nothing else. So nothing
inside `proxy/` may use `asyncio.timeout`, `current_task` or a task group.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from edgeproxy._core.drive import Signal

T = TypeVar("T")


async def foreign(awaitable: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Wait for somebody else's coroutine; it runs in a task, which is cancelled when the call is thrown out of here."""
    signal: Signal[T] = Signal()
    task = loop.create_task(awaitable)

    def done(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            signal.fail(ConnectionAbortedError("cancelled"))
        elif (error := task.exception()) is not None:
            signal.fail(error)
        else:
            signal.set(task.result())

    task.add_done_callback(done)
    try:
        return await signal
    finally:
        task.cancel()
        del task  # it may hold an error, which holds this frame
