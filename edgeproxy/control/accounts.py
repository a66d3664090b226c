"""The data plane's ports for a node without a store: keys from the configuration, credit without end, a log."""

from collections.abc import Iterable

from edgeproxy.domain.caller import Caller
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.record import CallRecord
from edgeproxy.domain.snapshot import Key
from edgeproxy.telemetry.access import AccessLog


class ConfiguredKeys:
    """The `Accounts` port."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.load(keys)

    def load(self, keys: Iterable[Key]) -> None:
        self._keys = {key.sha256: key for key in keys}
        self._callers: dict[str, Caller] = {}  # of keys that have been used

    def find(self, digest: str) -> Caller | None:
        caller = self._callers.get(digest)
        if caller is None and digest in self._keys:
            caller = self._callers[digest] = Caller(self._keys[digest])
        return caller


class UnlimitedCredit:
    """The `Credit` port: every hold is granted. It keeps the sums, so that holds and their ends can be compared."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self.charged = 0  # nano-dollars

    @property
    def open_holds(self) -> int:
        return len(self._held)

    def hold(self, caller: Caller, generation: str, amount: int) -> None:
        self._held[generation] = amount

    def settle(self, generation: str, charge: Charge) -> None:
        if self._held.pop(generation, None) is not None:
            self.charged += charge.total

    def void(self, generation: str) -> None:
        self._held.pop(generation, None)


class LogJournal:
    """The `Journal` port: a record becomes a line of the access log."""

    def __init__(self, access: AccessLog) -> None:
        self._access = access

    def append(self, record: CallRecord) -> None:
        self._access.write(record)
