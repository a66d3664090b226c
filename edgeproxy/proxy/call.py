"""A call: the core's owner of what must be true at the end, and what a door and the phases tell it."""

from typing import Any

import msgspec

from edgeproxy._core.drive import Drive
from edgeproxy._core.owner import Owner
from edgeproxy._core.usage import read_usage
from edgeproxy.dialects.openai_chat import chunk_identity
from edgeproxy.domain.money import Charge
from edgeproxy.domain.record import NO_CHARGE, NO_USAGE, CallRecord
from edgeproxy.domain.snapshot import Key
from edgeproxy.domain.usage import Usage
from edgeproxy.proxy.decode import BYTES_PER_TOKEN, Asked
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.heads import early_head
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.routes import ModelRoutes, Route
from edgeproxy.telemetry.metrics import Outcome, Phase

CLIENT_LEFT = 499


class ClientGone(Exception):
    """Thrown into the coroutine of a call whose client left. The call is finished by then."""


class Served(msgspec.Struct, frozen=True):
    """What the client gets charged for, and what it is told about it."""

    usage: Usage
    charge: Charge
    is_price_known: bool


class Call(Owner):
    """One client request. What is needed once in every call is in the core; here are the values, and what is rare."""

    __slots__ = ()
    record_of = CallRecord
    nothing = Served(NO_USAGE, NO_CHARGE, True)

    exchange: Exchange
    plane: DataPlane
    key: Key | None
    asked: Asked | None
    routes: ModelRoutes | None
    drive: Drive | None
    route: Route | None
    served: Served | None
    previous: list[dict[str, Any]]

    def early_head(self) -> bytes:
        return early_head(self.exchange, self.identity)

    def price(self, raw: bytes | None) -> Served:
        """Price what was delivered: by the provider's `usage` object, or by our own count where that says nothing."""
        route = self.route
        assert route is not None
        counts = read_usage(raw)
        if counts is None:
            usage = self._estimate()
            counts = (usage.prompt, usage.completion, 0, 0, 0)
            route.provider_meter.usage_estimated()
        else:
            usage = Usage(*counts)
        tariff = route.tariff
        return Served(usage, Charge(*tariff.charge(*counts)), tariff.is_known)

    def _estimate(self) -> Usage:
        assert self.asked is not None
        delivered = self.scanner.content_bytes if self.scanner is not None else 0
        completion = (delivered + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN
        return Usage(prompt=self.asked.prompt_tokens, completion=completion, is_estimated=True)

    # --- told by the door --------------------------------------------------------------------------------------

    def gone(self) -> None:
        """The client left. The provider's connection is closed before this returns."""
        if not self.is_finished:
            is_streaming = self.relay is not None and self.relay.is_committed
            self.plane.meter.disconnected(Phase.STREAMING if is_streaming else Phase.BEFORE_FIRST)
        try:
            self.finish(CLIENT_LEFT, "client_gone", Outcome.CANCELLED)
        finally:
            self.close()
            if self.drive is not None:
                self.drive.throw(ClientGone())

    def pause(self) -> None:
        if self.relay is not None:
            self.relay.pause()

    def resume(self) -> None:
        if self.relay is not None:
            self.relay.resume()

    def half_closed(self) -> None:
        """A client that has shut its sending side may still read: a byte on the wire tells (reliability, C07)."""
        if self.relay is None or self.is_finished:
            return
        if self.relay.is_stream:
            self.relay.comment()
        else:
            self.exchange.probe()

    # --- what the client sees ----------------------------------------------------------------------------------

    def chunk_head(self) -> bytes:
        """The members that all chunks of the reply share."""
        routes, route = self.routes, self.route
        return chunk_identity(
            self.identity,
            int(self.wall_at),
            routes.model_text if routes else b"",
            route.provider_text if route else b"",
        )
