"""The supervisor's directory: who has which slot, over reloads, and what a refusal leaves behind."""

import time

import pytest
from support.inprocess import MODEL, endpoint, provider, simple_snapshot, snapshot_of

from edgeproxy._core.attempt import Attempt
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.dice import Dice
from edgeproxy._core.table import RouteTable
from edgeproxy.domain.errors import ConfigError
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.memory import Plan
from edgeproxy.node.slots import SlotDirectory

PLAN = Plan(hosts=4, endpoints=4, lanes=4, pools=4, workers=1)


class Node:
    def __init__(self, plan: Plan = PLAN) -> None:
        self.table = RouteTable(
            bytearray(plan.table_size), plan.hosts, plan.endpoints, plan.lanes, plan.pools, plan.workers, 0
        )
        self.directory = SlotDirectory(plan, self.table)

    def take(self, snapshot: Snapshot, generation: int = 0, oldest: int = 0) -> Snapshot:
        return self.directory.commit(self.directory.place(snapshot, oldest), generation)

    def place(self, snapshot: Snapshot, generation: int = 0, oldest: int = 0) -> dict[str, int]:
        """Lane slots by provider."""
        return lanes(self.take(snapshot, generation, oldest))

    def begin(self, slot: int) -> Attempt:
        attempt = self.table.pick(Candidates([slot], [1], [1], [0], [1.0], 1), 1, 1, 1, 0, time.monotonic(), Dice(1))
        assert attempt is not None
        return attempt


def lanes(placed: Snapshot) -> dict[str, int]:
    return {one.provider: one.lanes[0].slot for model in placed.models for one in model.endpoints}


def everything(placed: Snapshot) -> object:
    model = placed.models[0]
    hosts = [one.host_slot for one in placed.providers]
    return (model.slot, [(one.slot, one.lanes[0].slot) for one in model.endpoints], hosts)


def test_everybody_gets_a_slot_of_their_own() -> None:
    placed = Node().take(simple_snapshot("a", "b", "c"))
    assert sorted(lanes(placed).values()) == [0, 1, 2]
    assert placed.models[0].slot >= 1  # 0 is the node's own budget


def test_providers_at_one_address_share_a_host() -> None:
    two = snapshot_of(
        [provider("a", "http://one:1/v1"), provider("b", "http://one:1/other"), provider("c", "http://one:2/v1")],
        [endpoint("a"), endpoint("b"), endpoint("c")],
    )
    a, b, c = (one.host_slot for one in Node().take(two).providers)
    assert a == b != c


def test_slots_stay_over_reloads_whatever_the_order() -> None:
    node = Node()
    before = node.place(simple_snapshot("a", "b", "c"))
    assert node.place(simple_snapshot("c", "a")) == {"c": before["c"], "a": before["a"]}
    after = node.place(simple_snapshot("d", "c", "a"))
    assert (after["a"], after["c"]) == (before["a"], before["c"])


def test_a_lane_that_left_frees_its_slot_only_when_nothing_runs_on_it() -> None:
    node = Node(Plan(hosts=4, endpoints=4, lanes=1, pools=4, workers=1))
    slot = node.place(simple_snapshot("a"))["a"]
    attempt = node.begin(slot)
    node.place(snapshot_of([provider("a")], []))
    with pytest.raises(ConfigError, match="no room"):
        node.place(simple_snapshot("b"))
    node.table.neutral(attempt, 1.0)
    node.table.finish(attempt, 1.0, 0, 0.0)
    assert node.place(simple_snapshot("b"))["b"] == slot


def test_a_slot_waits_for_calls_that_began_before_its_lane_left() -> None:
    """They may still make an attempt there, although none runs now."""
    node = Node(Plan(hosts=8, endpoints=8, lanes=1, pools=8, workers=1))
    slot = node.place(simple_snapshot("a"), generation=1)["a"]
    node.place(snapshot_of([provider("a")], []), generation=2)
    with pytest.raises(ConfigError, match="Try again later"):
        node.place(simple_snapshot("b"), generation=3, oldest=1)
    assert node.place(simple_snapshot("b"), generation=3, oldest=2)["b"] == slot


def test_what_is_only_proposed_changes_nothing() -> None:
    node = Node(Plan(hosts=8, endpoints=8, lanes=8, pools=8, workers=1))
    before = node.place(simple_snapshot("a", "b"))
    node.directory.place(simple_snapshot("c", "d"))
    assert node.place(simple_snapshot("a", "b")) == before
    assert set(node.place(simple_snapshot("a", "b", "e")).values()) == {*before.values(), 2}


def test_no_room_is_a_config_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="Restart the node"):
        Node().place(simple_snapshot("a", "b", "c", "d", "e"))


@pytest.mark.parametrize("short", ["hosts", "endpoints", "lanes"])
def test_a_refusal_changes_nothing(short: str) -> None:
    sizes = {"hosts": 8, "endpoints": 8, "lanes": 8, "pools": 8} | {short: 2}
    node = Node(Plan(**sizes, workers=1))
    good = snapshot_of([provider(s, f"http://{s}/v1") for s in "ab"], [endpoint(s) for s in "ab"])
    before = everything(node.take(good))
    for _ in range(10):
        with pytest.raises(ConfigError):
            node.directory.place(
                snapshot_of([provider(s, f"http://{s}/v1") for s in "cdefg"], [endpoint(s) for s in "cdefg"])
            )
    assert everything(node.take(good)) == before


def test_a_full_table_takes_a_newcomer_for_a_lane_that_left_before() -> None:
    node = Node(Plan(hosts=4, endpoints=2, lanes=2, pools=4, workers=1))
    node.place(simple_snapshot("a", "b"))
    node.place(simple_snapshot("a"))
    assert sorted(node.place(simple_snapshot("a", "c")).values()) == [0, 1]


def test_an_identity_named_twice_has_one_slot() -> None:
    placed = Node().take(snapshot_of([provider("a")], [endpoint("a"), endpoint("a")]))
    assert {one.slot for one in placed.models[0].endpoints} == {placed.models[0].endpoints[0].slot}
    assert placed.models[0].id == MODEL
