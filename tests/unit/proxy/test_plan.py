"""Planning: which routes a request rules out, in which order the rest are tried, and what is said when none is left."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from support.inprocess import PRICE, chat_body, endpoint, provider, routes_of, snapshot_of

from edgeproxy.domain.errors import InvalidRequest, NotFound
from edgeproxy.domain.money import Price
from edgeproxy.domain.snapshot import Endpoint
from edgeproxy.proxy.decode import decode
from edgeproxy.proxy.plan import Plan, find_model, make_plan, positions
from edgeproxy.telemetry.metrics import Pick

FOUR = ("alpha", "beta", "gamma", "delta")


def planned(endpoints: Sequence[Endpoint] | None = None, **body: Any) -> Plan:
    slugs = dict.fromkeys(one.provider for one in endpoints) if endpoints else FOUR
    routes = routes_of(snapshot_of([provider(slug) for slug in slugs], endpoints or [endpoint(slug) for slug in FOUR]))
    return make_plan(decode(chat_body(**body)), routes, 3)


def left(plan: Plan) -> list[str]:
    return [plan.routes.routes[position].provider.slug for position in positions(plan.eligible)]


def ordered(plan: Plan) -> list[str]:
    return [plan.routes.routes[position].endpoint.tag for position in plan.order]


def test_without_preferences_everybody_may_serve_and_nothing_is_filtered() -> None:
    plan = planned()
    assert (left(plan), plan.order, plan.sort, plan.funnel, plan.most_attempts) == ([*FOUR], [], "", [], 3)


@pytest.mark.parametrize("names", [["beta"], ["BETA"], ["Beta"], ["beta", "nobody"]])
def test_only_keeps_the_named(names: list[str]) -> None:
    plan = planned(provider={"only": names})
    assert (left(plan), plan.reason) == (["beta"], Pick.ONLY)


def test_only_nobody_is_404_with_the_funnel() -> None:
    with pytest.raises(NotFound) as caught:
        planned(provider={"only": ["nobody"]})
    shown = caught.value.shown()
    assert shown["metadata"]["routing_funnel"] == [{"step": "allowed_providers", "endpoint_count": 0}]
    assert shown["metadata"]["failed_routing_step"] == "allowed_providers"
    assert (shown["availability"]["code"], shown["availability"]["excluded_by"]) == (
        "constraint_filtered",
        "allowed_providers",
    )


def test_ignore_drops_the_named() -> None:
    assert left(planned(provider={"ignore": ["beta", "DELTA"]})) == ["alpha", "gamma"]


def test_only_and_ignore_together() -> None:
    assert left(planned(provider={"only": ["alpha", "beta"], "ignore": ["beta"]})) == ["alpha"]


def test_a_slug_means_all_its_endpoints_and_a_tag_only_itself() -> None:
    endpoints = [endpoint("alpha", tag="alpha/fp8"), endpoint("alpha", tag="alpha/fp4"), endpoint("beta")]
    assert planned(endpoints, provider={"only": ["alpha"]}).eligible == 0b011
    assert planned(endpoints, provider={"only": ["alpha/fp4"]}).eligible == 0b010


# --- quantizations, prices, limits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "tags"),
    [
        (["fp8"], ["fp8", "mxfp8"]),
        (["fp4"], ["mxfp4"]),
        (["mxfp8"], ["mxfp8"]),
        (["unknown"], ["none"]),
        (["fp8", "unknown"], ["fp8", "mxfp8", "none"]),
    ],
)
def test_quantizations(wanted: list[str], tags: list[str]) -> None:
    kinds = ("fp8", "mxfp8", "mxfp4", None)
    endpoints = [endpoint("alpha", tag=kind or "none", quantization=kind) for kind in kinds]
    plan = planned(endpoints, provider={"quantizations": wanted})
    assert [plan.routes.routes[p].endpoint.tag for p in positions(plan.eligible)] == tags


@pytest.mark.parametrize(
    ("limits", "tags"),
    [
        ({"prompt": 1}, ["cheap", "even"]),
        ({"prompt": "1"}, ["cheap", "even"]),
        ({"prompt": 1, "completion": "0.5"}, ["cheap"]),
        ({"request": 0}, ["cheap", "even", "dear"]),
        ({"prompt": 0.99}, ["cheap"]),
        ({"prompt": 1_000_000}, ["cheap", "even", "dear", "by request"]),
    ],
)
def test_max_price_is_per_million_tokens_and_per_request(limits: dict[str, Any], tags: list[str]) -> None:
    prices = {
        "cheap": Price(500_000, 500_000),
        "even": PRICE,
        "dear": Price(9_000_000, 9_000_000),
        "by request": Price(1_000_001, 0, request=1),
        "unknown": Price(),
    }
    endpoints = [endpoint("alpha", tag=tag, price=price) for tag, price in prices.items()]
    plan = planned(endpoints, provider={"max_price": limits})
    assert [plan.routes.routes[p].endpoint.tag for p in positions(plan.eligible)] == tags


@pytest.mark.parametrize("value", ["x", "", "-1", -1, "nan", "inf", "1e999999999", "1e999000", "1e400", 1e300])
@pytest.mark.parametrize("name", ["prompt", "completion", "request"])
def test_a_limit_that_is_no_price_names_its_path(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        planned(provider={"max_price": {name: value}})
    assert caught.value.param == f"provider.max_price.{name}"


def test_more_output_than_an_endpoint_gives_rules_it_out() -> None:
    endpoints = [endpoint("alpha", max_completion_tokens=100), endpoint("beta")]
    assert left(planned(endpoints, max_tokens=101)) == ["beta"]
    assert left(planned(endpoints, max_tokens=100)) == ["alpha", "beta"]


def test_a_prompt_far_over_the_context_rules_an_endpoint_out() -> None:
    endpoints = [endpoint("alpha", context_length=100), endpoint("beta", context_length=10_000)]
    assert left(planned(endpoints, messages=[{"role": "user", "content": "x" * 2_000}])) == ["beta"]


def test_the_rough_estimate_rules_nobody_out_near_the_limit() -> None:
    endpoints = [endpoint("alpha", context_length=100)]
    assert left(planned(endpoints, messages=[{"role": "user", "content": "x" * 500}])) == ["alpha"]


def test_require_parameters_wants_each_one_that_is_in_the_body() -> None:
    endpoints = [
        endpoint("alpha", supported_parameters=("temperature",)),
        endpoint("beta", supported_parameters=("temperature", "tools", "max_tokens")),
    ]
    wanted = {"require_parameters": True}
    assert left(planned(endpoints, temperature=1, provider=wanted)) == ["alpha", "beta"]
    assert left(planned(endpoints, temperature=1, tools=[], provider=wanted)) == ["beta"]
    assert left(planned(endpoints, user="u", stream=True, provider=wanted)) == ["alpha", "beta"]


@pytest.mark.parametrize("wanted", [{"zdr": True}, {"data_collection": "deny"}])
def test_a_data_policy_that_nobody_declares_is_404(wanted: dict[str, Any]) -> None:
    with pytest.raises(NotFound) as caught:
        planned(provider=wanted)
    assert caught.value.availability is not None
    assert caught.value.availability["code"] == "privacy_restricted"


@pytest.mark.parametrize("wanted", [{"zdr": False}, {"data_collection": "allow"}, {}])
def test_no_data_policy_rules_nobody_out(wanted: dict[str, Any]) -> None:
    assert left(planned(provider=wanted)) == [*FOUR]


def test_the_funnel_counts_what_each_step_left() -> None:
    with pytest.raises(NotFound) as caught:
        planned(provider={"only": ["alpha", "beta"], "ignore": ["beta"], "quantizations": ["fp8"]})
    assert caught.value.metadata["routing_funnel"] == [
        {"step": "allowed_providers", "endpoint_count": 2},
        {"step": "ignored_providers", "endpoint_count": 1},
        {"step": "quantization", "endpoint_count": 0},
    ]


def test_data_policy_is_the_first_step() -> None:
    with pytest.raises(NotFound) as caught:
        planned(provider={"only": ["nobody"], "zdr": True})
    assert caught.value.metadata["failed_routing_step"] == "data_policy"


# --- order, sort, fallbacks ------------------------------------------------------------------------------------


def test_order_comes_first_and_the_others_remain() -> None:
    plan = planned(provider={"order": ["gamma", "nobody", "alpha", "gamma"]})
    assert (ordered(plan), left(plan), plan.reason) == (["gamma", "alpha"], [*FOUR], Pick.ORDER)


def test_order_without_fallbacks_is_all_there_is() -> None:
    plan = planned(provider={"order": ["gamma", "alpha"], "allow_fallbacks": False})
    assert (ordered(plan), left(plan), plan.most_attempts) == (["gamma", "alpha"], ["alpha", "gamma"], 3)


def test_order_of_nobody_without_fallbacks_is_404() -> None:
    with pytest.raises(NotFound):
        planned(provider={"order": ["nobody"], "allow_fallbacks": False})


def test_no_fallbacks_without_an_order_means_one_attempt() -> None:
    assert planned(provider={"allow_fallbacks": False}).most_attempts == 1


@pytest.mark.parametrize(
    ("sort", "reason"),
    [
        ("price", Pick.PRICE),
        ("latency", Pick.LATENCY),
        ("throughput", Pick.THROUGHPUT),
        ({"by": "latency"}, Pick.LATENCY),
    ],
)
def test_sort(sort: object, reason: Pick) -> None:
    plan = planned(provider={"sort": sort})
    assert (plan.sort, plan.reason) == (sort if isinstance(sort, str) else "latency", reason)


def test_an_unknown_sort_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        planned(provider={"sort": "beauty"})
    assert caught.value.param == "provider.sort"


def test_order_is_worth_more_than_sort() -> None:
    plan = planned(provider={"order": ["beta"], "sort": "price"})
    assert (plan.sort, plan.reason) == ("", Pick.ORDER)


# --- the model -------------------------------------------------------------------------------------------------


class Catalog:
    """The Snapshot port, with nothing in it."""

    def find(self, name: str) -> None:
        return None

    def nearest(self, name: str) -> list[str]:
        return ["author/slug"]


def test_an_unknown_model_is_404_with_the_nearest_names() -> None:
    with pytest.raises(NotFound) as caught:
        find_model("author/slag" + "x" * 1_000, Catalog())
    assert "Nearest: author/slug." in caught.value.message
    assert caught.value.param == "model"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("mask", [0, 1, 0b1010, 1 << 63, (1 << 64) - 1])
def test_positions_are_the_bits(mask: int) -> None:
    assert sum(1 << position for position in positions(mask)) == mask


def test_a_lane_of_several_is_a_position_of_its_own() -> None:
    two = endpoint("alpha")
    lanes = tuple(replace(two.lanes[0], identity=f"lane-{n}") for n in range(2))
    assert planned([replace(two, lanes=lanes)]).eligible == 0b11
