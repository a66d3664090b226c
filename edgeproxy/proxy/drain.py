"""Stop serving without breaking streams: wait for the calls that run, then end the rest with one typed error each."""

import asyncio
import contextlib

from edgeproxy.domain.errors import Draining
from edgeproxy.proxy.pipeline import end_early
from edgeproxy.proxy.plane import DataPlane


async def drain(plane: DataPlane, timeout_s: float) -> None:
    """New calls are refused from now on. Returns when no call is left."""
    plane.is_leaving = plane.is_draining = True
    plane.emptied.clear()
    with contextlib.suppress(TimeoutError):
        if plane.calls:
            await asyncio.wait_for(plane.emptied.wait(), timeout_s)
    for call in list(plane.calls):
        end_early(call, Draining("This node is shutting down and could not finish the call.", retry_after_s=1))
    await asyncio.sleep(0)  # let the transports write
