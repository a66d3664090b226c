"""Whether a call is taken on: not while the node drains, nor without memory. While all is well nobody asks."""

from enum import IntEnum

from edgeproxy._core.exchange import Exchange
from edgeproxy.domain.errors import Draining, Overloaded
from edgeproxy.proxy.plane import DataPlane

LARGE_BODY = 1024 * 1024


class Pressure(IntEnum):
    """How short of memory the node is (reliability N16)."""

    NONE = 0
    SHRINK = 1  # caches go, and large bodies are refused
    REFUSE = 2  # … and new calls
    SHED = 3  # … and the largest of those that run are ended


def accept(exchange: Exchange, plane: DataPlane) -> None:
    """Refuse a call, or ask for the next one on another connection. Only called where one of the two may be needed."""
    if plane.is_leaving:
        exchange.keeps_alive = False
    if plane.is_draining:
        raise Draining("This node is shutting down. Retry: another node will answer.", retry_after_s=1)
    if plane.pressure >= Pressure.REFUSE:
        exchange.keeps_alive = False
        raise Overloaded("This node is short of memory. Retry: another node may answer.", retry_after_s=2)
    if plane.pressure >= Pressure.SHRINK and size_of_body(exchange) > LARGE_BODY:
        exchange.keeps_alive = False
        raise Overloaded("This node is short of memory and takes no body over 1 MiB now.", retry_after_s=5)


def size_of_body(exchange: Exchange) -> int:
    """One that does not say how large it is may be of any size."""
    return exchange.length if exchange.length >= 0 else LARGE_BODY + 1
