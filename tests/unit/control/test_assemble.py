"""Listings become models; the same model of two providers becomes one model with two endpoints."""

from support.configs import EMPTY_CATALOG, load

from edgeproxy.control.assemble import ECHO_BASE_URL, models_from, snapshot_for_up, sources_of, with_discovered
from edgeproxy.control.catalog import shipped_catalog
from edgeproxy.control.discovery import Listed, Listing
from edgeproxy.control.environment import Source, providers_from
from edgeproxy.control.keys import digest
from edgeproxy.domain.money import Price

CATALOG = shipped_catalog()
SOURCES = providers_from({"OPENAI_API_KEY": "a", "OPENROUTER_API_KEY": "b", "GROQ_API_KEY": "c"}).sources
LISTINGS = (
    Listing("openai", (Listed("gpt-4o-mini", created=5), Listed("made-up-model"))),
    Listing("openrouter", (Listed("openai/gpt-4o-mini", price=Price(1, 2)), Listed("deepseek/deepseek-chat-v3.1"))),
    Listing("groq", error="cannot connect"),
)


def test_the_same_model_of_two_providers_is_one_model() -> None:
    models = {model.id: model for model in models_from(SOURCES, LISTINGS, CATALOG)}
    assert sorted(models) == ["deepseek/deepseek-chat-v3.1", "openai/gpt-4o-mini", "openai/made-up-model"]
    assert [(e.provider, e.model) for e in models["openai/gpt-4o-mini"].endpoints] == [
        ("openai", "gpt-4o-mini"),
        ("openrouter", "openai/gpt-4o-mini"),
    ]


def test_a_listed_price_wins_over_the_catalogs_and_without_either_it_is_unknown() -> None:
    models = {model.id: model for model in models_from(SOURCES, LISTINGS, CATALOG)}
    direct, routed = models["openai/gpt-4o-mini"].endpoints
    assert direct.price == Price(150_000, 600_000, cache_read=75_000)
    assert routed.price == Price(1, 2)
    assert models["openai/made-up-model"].endpoints[0].price == Price()


def test_a_provider_that_lists_one_model_twice_keeps_the_first() -> None:
    listing = Listing("openai", (Listed("gpt-4o-mini"), Listed("models/gpt-4o-mini")))
    (model,) = models_from(SOURCES[:1], (listing,), CATALOG)
    assert [endpoint.model for endpoint in model.endpoints] == ["gpt-4o-mini"]


def test_up_serves_what_answered_with_one_key() -> None:
    snapshot = snapshot_for_up(SOURCES, LISTINGS, "sk-edge-v1-x", CATALOG)
    assert [provider.slug for provider in snapshot.providers] == ["openai", "openrouter"]
    assert [key.sha256 for key in snapshot.keys] == [digest("sk-edge-v1-x")]


def test_with_nothing_that_answers_up_serves_the_echo_model_free() -> None:
    nothing: tuple[Source, ...] = ()
    for sources, listings in ((nothing, ()), (SOURCES[2:], LISTINGS[2:])):
        snapshot = snapshot_for_up(sources, listings, "sk-edge-v1-x", CATALOG)
        (model,) = snapshot.models
        assert model.id == "edgeproxy/echo"
        assert model.endpoints[0].price == Price(0, 0)
        assert [provider.base_url for provider in snapshot.providers] == [ECHO_BASE_URL]


def test_the_digest_says_what_is_served_and_not_with_which_secret() -> None:
    other = providers_from({"OPENAI_API_KEY": "x", "OPENROUTER_API_KEY": "y", "GROQ_API_KEY": "z"}).sources
    first = snapshot_for_up(SOURCES, LISTINGS, "sk-edge-v1-x", CATALOG).digest
    assert snapshot_for_up(other, LISTINGS, "sk-edge-v1-x", CATALOG).digest == first
    assert snapshot_for_up(SOURCES, LISTINGS[:1], "sk-edge-v1-x", CATALOG).digest != first


def test_a_file_keeps_its_own_models_and_gets_the_discovered_ones() -> None:
    loaded = load(
        "providers:\n  - name: openai\n    discover: true\n"
        "    credentials: [ { name: a, api_key: x }, { name: b, api_key: y } ]\n"
        "models: [ { id: openai/gpt-4o-mini, endpoints: [ { provider: openai, model: gpt-4o-mini, weight: 7 } ] } ]\n"
    )
    snapshot = with_discovered(loaded, sources_of(loaded), LISTINGS[:1], EMPTY_CATALOG)
    ours, found = snapshot.models
    assert (ours.endpoints[0].weight, found.id) == (7.0, "openai/made-up-model")
    assert [lane.credential for lane in found.endpoints[0].lanes] == ["a", "b"]
    assert snapshot.digest != loaded.snapshot.digest
