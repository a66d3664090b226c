"""The four ports through which the data plane reaches money, keys, journal and catalog. All calls are synchronous."""

from typing import Protocol

from edgeproxy.domain.caller import Caller
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.record import CallRecord
from edgeproxy.proxy.routes import ModelRoutes


class Accounts(Protocol):
    def find(self, digest: str) -> Caller | None:
        """Whose key has a text of this SHA-256 (lowercase hex), whatever its state; None: nobody's."""


class Credit(Protocol):
    """Prepaid credit, in nano-dollars. A hold resolves exactly once: by `settle` or by `void`."""

    def hold(self, caller: Caller, generation: str, amount: int) -> None:
        """Set `amount` aside, or raise PaymentRequired with the numbers."""

    def settle(self, generation: str, charge: Charge) -> None: ...

    def void(self, generation: str) -> None: ...


class Journal(Protocol):
    def append(self, record: CallRecord) -> None:
        """Keep the record before the client sees the end of its reply."""


class Snapshot(Protocol):
    """What may be called, as loaded from the last good configuration."""

    def find(self, name: str) -> ModelRoutes | None:
        """The routes of a model, by its id or an alias."""

    def nearest(self, name: str) -> list[str]:
        """At most three ids that look like `name`."""
