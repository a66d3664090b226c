"""Prices as text: what goes in comes out, and what is no price is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.domain.money import PICO_PER_DOLLAR, dollars_from_nano, dollars_from_pico, pico_from_dollars

MOST = PICO_PER_DOLLAR * 1_000


@given(st.integers(0, MOST))
def test_a_price_survives_the_way_out_and_in(pico: int) -> None:
    assert pico_from_dollars(dollars_from_pico(pico)) == pico


@given(st.integers(0, 10**18))
def test_an_amount_is_written_exactly(nano: int) -> None:
    assert Decimal(dollars_from_nano(nano)) * 10**9 == nano


@given(st.integers(0, MOST))
def test_a_price_is_a_plain_decimal_without_needless_zeros(pico: int) -> None:
    text = dollars_from_pico(pico)
    assert set(text) <= set("0123456789.")
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(
    ("text", "pico"),
    [("0", 0), ("0.0000004", 400_000), ("0.000000000001", 1), ("1e-6", 1_000_000), ("1000", MOST), ("0.10", 10**11)],
)
def test_a_price_is_read(text: str, pico: int) -> None:
    assert pico_from_dollars(text) == pico


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "-0.0000001", "nan", "inf", "1e999999", "1e999999999", "0.0000000000001", "1e-13", "1000.01",
     "1." + "0" * 40 + "1", "1e-999999", "$1", "1,5"],
)  # fmt: skip
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"price|number|decimals"):
        pico_from_dollars(text)
