"""Who owns which slot of the route table: the supervisor decides, by stable identity, for all workers and reloads."""

from collections.abc import Callable
from dataclasses import replace

from edgeproxy._core.table import RouteTable
from edgeproxy.domain.errors import ConfigError
from edgeproxy.domain.snapshot import Endpoint, Model, Provider, Snapshot
from edgeproxy.node.memory import Plan

LEASE_EXTRA_S = 5.0  # of a probe's permit, beyond the time to the first event (reliability 2.3)


class Slots:
    """Slots of one kind. A slot that lost its owner is given away again only when `is_free` says so."""

    def __init__(self, name: str, capacity: int, first: int, is_free: Callable[[int], bool]) -> None:
        self._name = name
        self._owners: dict[str, int] = {}
        self._leaving: list[int] = []
        self._free = list(range(capacity - 1, first - 1, -1))
        self._is_free = is_free

    def check(self, identities: list[str]) -> None:
        """ConfigError when there is no room for the newcomers among `identities`. Nobody moves."""
        self._recover()
        new = set(identities) - self._owners.keys()
        if len(new) > len(self._free):
            raise ConfigError(
                f"no room for {len(new)} more {self._name}: the shared memory was sized when the node started. "
                "Restart the node to apply this configuration."
            )

    def assign(self, identities: list[str]) -> tuple[dict[str, int], list[int]]:
        """A slot for each identity, and the slots that have a new owner. After `check`."""
        wanted = set(identities)
        gone = [identity for identity in self._owners if identity not in wanted]
        new = [identity for identity in dict.fromkeys(identities) if identity not in self._owners]
        self._leaving += [self._owners.pop(identity) for identity in gone]
        fresh = []
        for identity in new:
            self._owners[identity] = self._free.pop()
            fresh.append(self._owners[identity])
        return dict(self._owners), fresh

    def _recover(self) -> None:
        free = [slot for slot in self._leaving if self._is_free(slot)]
        self._leaving = [slot for slot in self._leaving if slot not in free]
        self._free += free


class SlotDirectory:
    def __init__(self, plan: Plan, table: RouteTable) -> None:
        self._table = table
        always = lambda slot: True  # noqa: E731  # what is shared by lanes has no attempts of its own
        self._hosts = Slots("providers", plan.hosts, 0, always)
        self._endpoints = Slots("endpoints", plan.endpoints, 0, always)
        self._lanes = Slots("lanes", plan.lanes, 0, lambda slot: table.in_flight(slot) == 0)
        self._pools = Slots("models", plan.pools, 1, always)

    def place(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with every slot filled in; the table knows its newcomers. ConfigError when there is no room."""
        endpoints = [endpoint for model in snapshot.models for endpoint in model.endpoints]
        wanted = (
            (self._hosts, [_host_of(provider) for provider in snapshot.providers]),
            (self._endpoints, [endpoint.identity for endpoint in endpoints]),
            (self._lanes, [lane.identity for endpoint in endpoints for lane in endpoint.lanes]),
            (self._pools, [model.id for model in snapshot.models]),
        )
        for slots, identities in wanted:  # all of them first: a refusal must not move anybody
            slots.check(identities)
        (hosts, new_hosts), (places, new_places), (lanes, new_lanes), (pools, _) = (
            slots.assign(identities) for slots, identities in wanted
        )
        for host in new_hosts:
            self._table.release_host(host)
        for place in new_places:
            self._table.release_endpoint(place)
        for lane in new_lanes:
            self._table.release(lane)
        providers = tuple(replace(one, host_slot=hosts[_host_of(one)]) for one in snapshot.providers)
        by_slug = {provider.slug: provider for provider in providers}
        models = tuple(self._place_model(model, places, lanes, pools, by_slug) for model in snapshot.models)
        return replace(snapshot, providers=providers, models=models)

    def _place_model(
        self,
        model: Model,
        places: dict[str, int],
        lanes: dict[str, int],
        pools: dict[str, int],
        providers: dict[str, Provider],
    ) -> Model:
        pool = pools[model.id]

        def place(endpoint: Endpoint) -> Endpoint:
            slot, provider = places[endpoint.identity], providers[endpoint.provider]
            lease_s = provider.timeouts.first_event_s + LEASE_EXTRA_S
            placed = tuple(replace(lane, slot=lanes[lane.identity]) for lane in endpoint.lanes)
            for lane in placed:
                self._table.bind(lane.slot, provider.host_slot, slot, pool, endpoint.max_concurrency, lease_s)
            return replace(endpoint, slot=slot, lanes=placed)

        return replace(model, slot=pool, endpoints=tuple(place(endpoint) for endpoint in model.endpoints))


def _host_of(provider: Provider) -> str:
    """Scheme, host and port: what fails together."""
    scheme, _, rest = provider.base_url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
