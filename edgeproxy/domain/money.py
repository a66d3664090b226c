"""Money is an integer: amounts in nano-dollars, prices in pico-dollars a token.

What tokens cost is computed in `_core.tariff`. Floats and strings exist only at the wire.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

PICO_PER_DOLLAR = 10**12
NANO_PER_DOLLAR = 10**9
_EXACT = Context(prec=28, traps=[Inexact, InvalidOperation, Overflow])


@dataclass(frozen=True, slots=True)
class Price:
    """List price of an endpoint, in pico-dollars: a token (`request`: a call). None is unknown, never free."""

    prompt: int | None = None
    completion: int | None = None
    request: int = 0
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None

    @property
    def is_known(self) -> bool:
        return self.prompt is not None and self.completion is not None


def pico_from_dollars(text: str) -> int:
    """`"0.0000004"` dollars a token as pico-dollars. ValueError for what is no price."""
    try:
        dollars = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not a decimal number: {text[:40]!r}") from None
    if not dollars.is_finite() or dollars < 0:
        raise ValueError("a price is a finite number, zero or more")
    if dollars > 1_000:
        raise ValueError("a price is at most $1,000 a unit; prices are per token, not per million")
    try:
        return int(_EXACT.to_integral_exact(_EXACT.multiply(dollars, PICO_PER_DOLLAR)))
    except DecimalException:
        raise ValueError("a price has at most 12 decimals (pico-dollars)") from None


def dollars_from_pico(pico: int) -> str:
    """Pico-dollars as the wire's plain decimal string: no exponent, no trailing zeros."""
    return _plain(Decimal(pico) / PICO_PER_DOLLAR)


def dollars_from_nano(nano: int) -> str:
    return _plain(Decimal(nano) / NANO_PER_DOLLAR)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def dearest(prices: Iterable[Price]) -> tuple[Price, ...]:
    """What a hold must look at: known prices, all tokens of the dearest kind, none covered by another one."""
    flat = {_flat(price) for price in prices if price.is_known}
    return tuple(Price(*one) for one in sorted(flat) if not any(_beats(other, one) for other in flat))


def _flat(price: Price) -> tuple[int, int, int]:
    prompt = max(price.prompt or 0, price.cache_read or 0, price.cache_write or 0)
    return prompt, max(price.completion or 0, price.reasoning or 0), price.request


def _beats(other: tuple[int, int, int], one: tuple[int, int, int]) -> bool:
    return other != one and all(theirs >= ours for theirs, ours in zip(other, one, strict=True))
