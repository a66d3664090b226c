"""The last resort of a node without memory: end the calls that hold most of it, each with one typed error."""

from edgeproxy.domain.errors import Overloaded
from edgeproxy.proxy.call import Call
from edgeproxy.proxy.pipeline import end_early
from edgeproxy.proxy.plane import DataPlane

SMALLEST = 64 * 1024  # to end a call that holds less helps nobody


def held_by(call: Call) -> int:
    """Bytes: of its body, of the reply, and of what its client has not taken."""
    body: int = call.exchange.arrived
    reply = call.relay.held if call.relay is not None else 0
    unsent: int = call.exchange.transport.get_write_buffer_size()
    return body + reply + unsent


def shed(plane: DataPlane, excess: int) -> int:
    """End the largest calls until `excess` bytes are free, or only small ones are left. How many were ended."""
    sizes = sorted(((held_by(call), id(call), call) for call in plane.calls), reverse=True)
    ended = 0
    for size, _, call in sizes:
        if excess <= 0 or size < SMALLEST:
            break
        end_early(call, Overloaded("This node is short of memory and had to end this call.", retry_after_s=5))
        excess -= size
        ended += 1
    return ended
