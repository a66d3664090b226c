"""The catalog that ships, and how it is built from two lists."""

import io
import zipfile
from pathlib import Path

import orjson
import pytest

from edgeproxy.control.catalog import catalog_from, shipped_catalog
from edgeproxy.control.catalog_build import GENAI_FILE, LITELLM_FILE, build
from edgeproxy.domain.money import Price

GENAI = """
from decimal import Decimal
import datetime
providers: list[Provider] = [
    Provider(id='openai', name='OpenAI', models=[
        ModelInfo(id='gpt-a', match=ClauseOr(or_=[ClauseEquals(equals='gpt-a'), ClauseEquals(equals='gpt-a-0101'),
                  ClauseStartsWith(starts_with='gpt-a-x')]), name='GPT A', context_window=1000,
                  prices=ModelPrice(input_mtok=Decimal('0.4'), output_mtok=Decimal('1.6'),
                  cache_read_mtok=Decimal('0.1'))),
        ModelInfo(id='gpt-tiered', match=ClauseEquals(equals='gpt-tiered'), prices=ModelPrice(
                  input_mtok=TieredPrices(base=Decimal('1'), tiers=[Tier(start=200000, price=Decimal('2'))]),
                  output_mtok=Decimal('3'))),
        ModelInfo(id='gpt-dated', match=ClauseEquals(equals='gpt-dated'), prices=[
                  ConditionalPrice(constraint=None, prices=ModelPrice(input_mtok=Decimal('2'),
                                   output_mtok=Decimal('4'))),
                  ConditionalPrice(constraint=StartDateConstraint(start_date=datetime.date(2026, 6, 1)),
                                   prices=ModelPrice(input_mtok=Decimal('1'), output_mtok=Decimal('2')))]),
        ModelInfo(id='gpt-unpriced', match=ClauseEquals(equals='gpt-unpriced'), prices=ModelPrice()),
    ]),
]
"""
LITELLM = {
    "gpt-a": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 9e-07,
              "output_cost_per_token": 9e-07, "max_output_tokens": 100, "supports_function_calling": True,
              "supports_vision": True},
    "gpt-only-here": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07,
                      "output_cost_per_token": 6e-07, "max_input_tokens": 5},
    "gpt-zero": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.0,
                 "output_cost_per_token": 0.0},
    "dall-e": {"litellm_provider": "openai", "mode": "image_generation"},
    "other": {"litellm_provider": "somewhere", "mode": "chat"},
}  # fmt: skip


def wheel(folder: Path, name: str, file: str, data: bytes) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(file, data)
    path = folder / name
    path.write_bytes(buffer.getvalue())
    return path


@pytest.fixture
def built(tmp_path: Path) -> bytes:
    genai = wheel(tmp_path, "genai_prices-0.0.1-py3-none-any.whl", GENAI_FILE, GENAI.encode())
    litellm = wheel(tmp_path, "litellm-0.0.2-py3-none-any.whl", LITELLM_FILE, orjson.dumps(LITELLM))
    return build(genai, litellm, "2026-01-02")


def test_prices_are_whole_pico_dollars(built: bytes) -> None:
    entry = catalog_from(built).find("openai", "gpt-a")
    assert entry is not None
    assert entry.price(0) == Price(prompt=400_000, completion=1_600_000, cache_read=100_000)


def test_the_first_list_wins_on_prices_and_the_second_adds_what_it_alone_has(built: bytes) -> None:
    catalog = catalog_from(built)
    first, second = catalog.find("openai", "gpt-a"), catalog.find("openai", "gpt-only-here")
    assert first is not None
    assert second is not None
    assert (first.context_length, first.max_completion_tokens, first.flags) == (1000, 100, ("tools",))
    assert first.input_modalities == ("text", "image")
    assert second.price(0) == Price(prompt=150_000, completion=600_000)


@pytest.mark.parametrize("name", ["gpt-zero", "gpt-unpriced"])
def test_an_unknown_price_is_unknown_and_not_zero(built: bytes, name: str) -> None:
    entry = catalog_from(built).find("openai", name)
    assert entry is not None
    assert entry.price(1e12) == Price()


def test_a_price_holds_from_its_day(built: bytes) -> None:
    entry = catalog_from(built).find("openai", "gpt-dated")
    assert entry is not None
    june = 1_780_272_000
    assert entry.price(june - 1).prompt == 2_000_000
    assert entry.price(june).prompt == 1_000_000


def test_a_tiered_price_is_marked(built: bytes) -> None:
    catalog = catalog_from(built)
    tiered, plain = catalog.find("openai", "gpt-tiered"), catalog.find("openai", "gpt-a")
    assert tiered is not None
    assert plain is not None
    assert (tiered.is_tiered, tiered.price(0).prompt, plain.is_tiered) == (True, 1_000_000, False)


@pytest.mark.parametrize("name", ["gpt-a", "GPT-A", "gpt-a-0101", "gpt-a-2026-03-04", "gpt-a-20260304", "gpt-a-latest"])
def test_a_model_is_found_by_its_spellings(built: bytes, name: str) -> None:
    entry = catalog_from(built).find("openai", name)
    assert entry is not None
    assert entry.id == "gpt-a"


@pytest.mark.parametrize("name", ["gpt-a-x1", "gpt", "dall-e", ""])
def test_a_pattern_is_not_a_price(built: bytes, name: str) -> None:
    assert catalog_from(built).find("openai", name) is None


def test_a_compromised_release_is_refused(tmp_path: Path) -> None:
    genai = wheel(tmp_path, "genai_prices-0.0.1-py3-none-any.whl", GENAI_FILE, GENAI.encode())
    litellm = wheel(tmp_path, "litellm-1.82.7-py3-none-any.whl", LITELLM_FILE, b"{}")
    with pytest.raises(SystemExit, match="compromised"):
        build(genai, litellm, "2026-01-02")


def test_building_twice_gives_the_same_bytes(built: bytes, tmp_path: Path) -> None:
    genai, litellm = sorted(tmp_path.glob("*.whl"))
    assert build(genai, litellm, "2026-01-02") == built


def test_the_shipped_catalog_says_where_it_is_from() -> None:
    catalog = shipped_catalog()
    assert {source["name"] for source in catalog.sources} == {"genai-prices", "litellm"}
    assert all(len(source["sha256"]) == 64 and source["licence"] == "MIT" for source in catalog.sources)
    assert catalog.date >= "2026-11-22"


def test_every_price_of_the_shipped_catalog_is_a_price() -> None:
    catalog = shipped_catalog()
    priced = 0
    for provider in catalog.providers:
        for name in catalog.models(provider):
            entry = catalog.find(provider, name)
            assert entry is not None
            price = entry.price(1e12)
            priced += price.is_known
            assert all(
                pico is None or 0 <= pico <= 10**12 for pico in (price.prompt, price.completion, price.cache_read)
            )
    assert priced > 2_000
