"""What a call costs (contract 4.3): golden values for each priced dimension, and what holds for all of them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import money as reference
from reference.money import PICO_PER_NANO, PPM

from edgeproxy._core import tariff
from edgeproxy._core.tariff import Tariff
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.money import Price, dearest
from edgeproxy.domain.usage import Usage

FEE = 50_000
DOLLAR_A_MILLION = 1_000_000  # pico-dollars a token
MOST = 2**63 - 1  # nano-dollars


def tariff_of(price: Price, fee_ppm: int) -> Tariff:
    return Tariff(
        price.prompt, price.completion, price.request, price.cache_read, price.cache_write, price.reasoning, fee_ppm
    )


def charge(usage: Usage, price: Price, fee_ppm: int) -> Charge:
    return tariff_of(price, fee_ppm).charge(usage)


def ceiling(prompt: int, completion: int, prices: tuple[Price, ...], fee_ppm: int) -> int:
    return tariff.ceiling(tuple(tariff_of(price, fee_ppm) for price in prices), prompt, completion)


@pytest.mark.parametrize(
    ("usage", "price", "upstream", "total"),
    [
        pytest.param(Usage(1_000, 0), Price(DOLLAR_A_MILLION, 0), 1_000_000, 1_050_000, id="prompt"),
        pytest.param(Usage(0, 1_000), Price(0, 2 * DOLLAR_A_MILLION), 2_000_000, 2_100_000, id="completion"),
        pytest.param(Usage(0, 0), Price(0, 0, request=5_000_000_000), 5_000_000, 5_250_000, id="request"),
        pytest.param(
            Usage(1_000, 0, cached=400),
            Price(DOLLAR_A_MILLION, 0, cache_read=100_000),
            600_000 + 40_000,
            672_000,
            id="cache read",
        ),
        pytest.param(
            Usage(1_000, 0, cached=400), Price(DOLLAR_A_MILLION, 0), 1_000_000, 1_050_000, id="cache read, no price"
        ),
        pytest.param(
            Usage(1_000, 0, cached=400), Price(DOLLAR_A_MILLION, 0, cache_read=0), 600_000, 630_000, id="free cache"
        ),
        pytest.param(
            Usage(1_000, 0, cache_written=400),
            Price(DOLLAR_A_MILLION, 0, cache_write=1_250_000),
            600_000 + 500_000,
            1_155_000,
            id="cache write",
        ),
        pytest.param(
            Usage(0, 1_000, reasoning=300),
            Price(0, DOLLAR_A_MILLION, reasoning=3 * DOLLAR_A_MILLION),
            700_000 + 900_000,
            1_680_000,
            id="reasoning",
        ),
        pytest.param(
            Usage(0, 1_000, reasoning=300),
            Price(0, DOLLAR_A_MILLION, reasoning=0),
            1_000_000,
            1_050_000,
            id="reasoning, no price",
        ),
    ],
)
def test_each_dimension_has_its_price(usage: Usage, price: Price, upstream: int, total: int) -> None:
    seen = charge(usage, price, FEE)
    assert (seen.upstream, seen.total, seen.fee) == (upstream, total, total - upstream)


def test_the_parts_of_the_example_of_the_contract() -> None:
    seen = charge(Usage(12, 4), Price(400_000, 1_800_000), 0)
    assert (seen.upstream_prompt, seen.upstream_completion, seen.upstream) == (4_800, 7_200, 12_000)


@pytest.mark.parametrize(("pico", "nano"), [(499, 0), (500, 1), (501, 1), (1_499, 1), (1_500, 2), (2_500, 3)])
def test_half_a_nano_dollar_rounds_up(pico: int, nano: int) -> None:
    assert charge(Usage(1, 0), Price(pico, 0), 0).total == nano


def test_the_total_is_rounded_once_and_not_after_the_upstream_part() -> None:
    # 9,500 pico upstream: 10 nano. The total is 9,975 pico = 10 nano, and not 10 nano plus 5 %.
    assert charge(Usage(1, 0), Price(9_500, 0), FEE) == Charge(10, 0, 10, 10)


@pytest.mark.parametrize("price", [Price(None, 1), Price(1, None), Price(None, None, request=10**9)])
def test_an_unknown_price_charges_nothing(price: Price) -> None:
    assert charge(Usage(1_000, 1_000), price, FEE) == Charge(0, 0, 0, 0)


prices = st.builds(
    Price,
    prompt=st.integers(0, 10**9),
    completion=st.integers(0, 10**9),
    request=st.integers(0, 10**12),
    cache_read=st.none() | st.integers(0, 10**9),
    cache_write=st.none() | st.integers(0, 10**9),
    reasoning=st.none() | st.integers(0, 10**9),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    prompt, completion = draw(st.integers(0, 10**7)), draw(st.integers(0, 10**7))
    cached = draw(st.integers(0, prompt))
    return Usage(
        prompt, completion, cached, draw(st.integers(0, prompt - cached)), reasoning=draw(st.integers(0, completion))
    )


def exact_pico(usage: Usage, price: Price) -> int:
    assert price.prompt is not None
    assert price.completion is not None
    read = price.prompt if price.cache_read is None else price.cache_read
    write = price.prompt if price.cache_write is None else price.cache_write
    fresh = usage.prompt - usage.cached - usage.cache_written
    prompt = fresh * price.prompt + usage.cached * read + usage.cache_written * write
    thought = usage.reasoning * (price.reasoning or price.completion)
    return prompt + (usage.completion - usage.reasoning) * price.completion + thought + price.request


@given(usages(), prices, st.integers(0, PPM))
def test_both_sums_are_within_half_a_nano_dollar_of_the_exact_ones(usage: Usage, price: Price, fee_ppm: int) -> None:
    seen, exact = charge(usage, price, fee_ppm), Fraction(exact_pico(usage, price), PICO_PER_NANO)
    assert abs(seen.upstream - exact) <= Fraction(1, 2)
    assert abs(seen.total - exact * (PPM + fee_ppm) / PPM) <= Fraction(1, 2)


@given(usages(), prices, st.integers(0, PPM))
def test_every_part_is_an_integer_and_none_is_negative(usage: Usage, price: Price, fee_ppm: int) -> None:
    seen = charge(usage, price, fee_ppm)
    parts = (seen.upstream_prompt, seen.upstream_completion, seen.upstream, seen.total, seen.fee)
    assert all(type(part) is int and part >= 0 for part in parts)


@given(usages(), prices, st.integers(0, PPM))
def test_the_fee_is_the_difference(usage: Usage, price: Price, fee_ppm: int) -> None:
    seen = charge(usage, price, fee_ppm)
    assert seen.upstream + seen.fee == seen.total


@given(usages(), prices)
def test_more_tokens_never_cost_less(usage: Usage, price: Price) -> None:
    more = Usage(usage.prompt + 1, usage.completion + 1, usage.cached, usage.cache_written, usage.reasoning)
    assert charge(more, price, FEE).total >= charge(usage, price, FEE).total


def test_counts_that_contradict_one_another_never_give_money_back() -> None:
    seen = charge(Usage(prompt=1, completion=1, cached=5, cache_written=5, reasoning=5), Price(10, 10), FEE)
    assert min(seen.upstream_prompt, seen.upstream_completion, seen.upstream, seen.fee) >= 0


@given(usages(), prices, st.integers(0, PPM))
def test_the_ceiling_covers_every_way_to_spend_the_tokens(usage: Usage, price: Price, fee_ppm: int) -> None:
    assert charge(usage, price, fee_ppm).total <= ceiling(usage.prompt, usage.completion, dearest([price]), fee_ppm)


def test_the_ceiling_of_an_unknown_price_is_nothing() -> None:
    assert ceiling(1_000, 1_000, dearest([Price(1, None)]), FEE) == 0


def test_the_ceiling_is_exact_where_there_is_one_price() -> None:
    price = Price(DOLLAR_A_MILLION, 0)
    assert ceiling(1_000, 0, dearest([price]), FEE) == charge(Usage(1_000, 0), price, FEE).total


@given(st.lists(prices, max_size=5), st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_is_left_of_several_prices_has_the_ceiling_of_all(many: list[Price], prompt: int, completion: int) -> None:
    alone = [ceiling(prompt, completion, dearest([price]), FEE) for price in many]
    assert ceiling(prompt, completion, dearest(many), FEE) == max(alone, default=0)


def test_a_price_that_another_beats_in_every_respect_is_not_looked_at() -> None:
    assert dearest([Price(1, 1), Price(2, 1), Price(1, 2), Price(2, 1, cache_read=9)]) == (Price(1, 2), Price(9, 1))


# --- against the plain-Python rule ---------------------------------------------------------------------------------

tokens = st.integers(0, 2**40)
wild_prices = st.builds(
    Price,
    prompt=st.none() | st.integers(0, 10**15),
    completion=st.none() | st.integers(0, 10**15),
    request=st.integers(0, 10**15),
    cache_read=st.none() | st.integers(0, 10**15),
    cache_write=st.none() | st.integers(0, 10**15),
    reasoning=st.none() | st.integers(0, 10**15),
)


@given(st.builds(Usage, tokens, tokens, tokens, tokens, tokens), wild_prices, st.integers(0, PPM))
def test_the_charge_is_the_rule_s_and_no_larger_than_an_amount_can_be(usage: Usage, price: Price, fee_ppm: int) -> None:
    rule = reference.charge(usage, price, fee_ppm)
    assert charge(usage, price, fee_ppm) == Charge(*(min(part, MOST) for part in rule))


@given(tokens, tokens, st.lists(wild_prices, max_size=4), st.integers(0, PPM))
def test_the_ceiling_is_the_rule_s(prompt: int, completion: int, many: list[Price], fee_ppm: int) -> None:
    left = dearest(many)
    assert ceiling(prompt, completion, left, fee_ppm) == min(reference.ceiling(prompt, completion, left, fee_ppm), MOST)


def test_a_negative_price_is_no_price() -> None:
    with pytest.raises(ValueError, match="zero or more"):
        Tariff(-1, 0, 0, None, None, None, 0)
