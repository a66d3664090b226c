"""Who owns which slot of the route table: the supervisor decides, by stable identity, for all workers and reloads.

A placement is a proposal: nothing moves until it is committed. A slot that lost its owner is given away again only when
no call, in any worker, can still use it: calls keep the snapshot that they began with.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgeproxy._core.limiter import Limiter
from edgeproxy._core.table import RouteTable
from edgeproxy.domain.errors import ConfigError
from edgeproxy.domain.snapshot import Endpoint, Model, Provider, Snapshot
from edgeproxy.node.memory import Plan

LEASE_EXTRA_S = 5.0  # of a probe's permit, beyond the time to the first event (reliability 2.3)
HOSTS, ENDPOINTS, LANES, POOLS = range(4)


class Slots:
    """Slots of one kind."""

    def __init__(self, name: str, capacity: int, first: int, is_free: Callable[[int], bool]) -> None:
        self._name = name
        self._owners: dict[str, int] = {}
        self._leaving: list[tuple[int, int]] = []  # slot, and the first generation that does not know it
        self._free = list(range(capacity - 1, first - 1, -1))
        self._is_free = is_free

    def propose(self, identities: list[str], oldest: int) -> dict[str, int]:
        """A slot for each identity, those that have one keep it. ConfigError when there is no room."""
        self._recover(oldest)
        new = [identity for identity in dict.fromkeys(identities) if identity not in self._owners]
        if len(new) > len(self._free):
            raise ConfigError(self._no_room(len(new)))
        fresh = iter(self._free[::-1])
        return {
            identity: slot if (slot := self._owners.get(identity, -1)) >= 0 else next(fresh)
            for identity in dict.fromkeys(identities)
        }

    def commit(self, proposed: dict[str, int], generation: int) -> list[int]:
        """From now on it is so. The slots that have a new owner."""
        fresh = [slot for identity, slot in proposed.items() if identity not in self._owners]
        gone = [slot for identity, slot in self._owners.items() if identity not in proposed]
        taken = set(fresh)
        self._free = [slot for slot in self._free if slot not in taken]
        self._leaving += [(slot, generation) for slot in gone]
        self._owners = dict(proposed)
        return fresh

    def _no_room(self, count: int) -> str:
        if count <= len(self._free) + len(self._leaving):
            return f"no room for {count} more {self._name} until calls to removed ones have ended. Try again later."
        return (
            f"no room for {count} more {self._name}: the shared memory was sized when the node started. "
            "Restart the node to apply this configuration."
        )

    def _recover(self, oldest: int) -> None:
        """`oldest`: of the generations that some call may still use."""
        free = {slot for slot, gone_at in self._leaving if gone_at <= oldest and self._is_free(slot)}
        self._leaving = [one for one in self._leaving if one[0] not in free]
        self._free += sorted(free, reverse=True)


@dataclass(frozen=True, slots=True)
class Placement:
    """A snapshot with every slot filled in, and what becomes of the slots if it is taken."""

    snapshot: Snapshot
    slots: tuple[dict[str, int], ...]


class SlotDirectory:
    def __init__(self, plan: Plan, table: RouteTable) -> None:
        self._table = table
        self._limiter = Limiter(table)
        always = lambda slot: True  # noqa: E731  # what is shared by lanes has no attempts of its own
        self._kinds = (
            Slots("providers", plan.hosts, 0, always),
            Slots("endpoints", plan.endpoints, 0, always),
            Slots("lanes", plan.lanes, 0, lambda slot: table.in_flight(slot) == 0),
            Slots("models", plan.pools, 1, always),
        )

    def place(self, snapshot: Snapshot, oldest: int = 0) -> Placement:
        """Where everything would go. ConfigError when there is no room."""
        endpoints = [endpoint for model in snapshot.models for endpoint in model.endpoints]
        wanted = (
            [_host_of(provider) for provider in snapshot.providers],
            [endpoint.identity for endpoint in endpoints],
            [lane.identity for endpoint in endpoints for lane in endpoint.lanes],
            [model.id for model in snapshot.models],
        )
        slots = tuple(kind.propose(identities, oldest) for kind, identities in zip(self._kinds, wanted, strict=True))
        providers = tuple(replace(one, host_slot=slots[HOSTS][_host_of(one)]) for one in snapshot.providers)
        models = tuple(_placed_model(model, slots) for model in snapshot.models)
        return Placement(replace(snapshot, providers=providers, models=models), slots)

    def commit(self, placement: Placement, generation: int = 0) -> Snapshot:
        """Take it: the table knows the newcomers from now on. `generation`: of the snapshot."""
        new = [kind.commit(slots, generation) for kind, slots in zip(self._kinds, placement.slots, strict=True)]
        for host in new[HOSTS]:
            self._table.release_host(host)
        for place in new[ENDPOINTS]:
            self._table.release_endpoint(place)
        for lane in new[LANES]:
            self._table.release(lane)
        providers = {provider.slug: provider for provider in placement.snapshot.providers}
        for model in placement.snapshot.models:
            for endpoint in model.endpoints:
                self._bind(model, endpoint, providers[endpoint.provider])
        return placement.snapshot

    def _bind(self, model: Model, endpoint: Endpoint, provider: Provider) -> None:
        lease_s, limits = provider.timeouts.first_event_s + LEASE_EXTRA_S, endpoint.limits
        for lane in endpoint.lanes:
            self._table.bind(lane.slot, provider.host_slot, endpoint.slot, model.slot, limits.max_concurrency, lease_s)
            self._limiter.limit(lane.slot, limits.requests_per_minute, limits.tokens_per_minute, limits.burst_s)


def _placed_model(model: Model, slots: tuple[dict[str, int], ...]) -> Model:
    endpoints = tuple(
        replace(
            endpoint,
            slot=slots[ENDPOINTS][endpoint.identity],
            lanes=tuple(replace(lane, slot=slots[LANES][lane.identity]) for lane in endpoint.lanes),
        )
        for endpoint in model.endpoints
    )
    return replace(model, slot=slots[POOLS][model.id], endpoints=endpoints)


def _host_of(provider: Provider) -> str:
    """Scheme, host and port: what fails together."""
    scheme, _, rest = provider.base_url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
