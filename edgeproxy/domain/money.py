"""Money is an integer: amounts in nano-dollars, prices in pico-dollars a token.

Rounding (half up, once for the total and once for the provider's part; the fee is their difference) is the
ledger's rule. Floats and strings exist only at the wire.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

import msgspec

from edgeproxy.domain.usage import Usage

PICO_PER_DOLLAR = 10**12
NANO_PER_DOLLAR = 10**9
PICO_PER_NANO = 10**3
PPM = 10**6
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


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What a call costs, in nano-dollars. `total` is charged; `total - upstream` is the platform fee."""

    upstream_prompt: int
    upstream_completion: int
    upstream: int
    total: int

    @property
    def fee(self) -> int:
        return self.total - self.upstream


NOTHING = Charge(0, 0, 0, 0)


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


def _half_up(pico: int, divisor: int = PICO_PER_NANO) -> int:
    return (2 * pico + divisor) // (2 * divisor)


def charge(usage: Usage, price: Price, fee_ppm: int) -> Charge:
    """Price `usage` (contract 4.3) and add the fee, `fee_ppm` parts per million. An unknown price charges nothing."""
    if price.prompt is None or price.completion is None:
        return NOTHING
    if usage.cached or usage.cache_written or usage.reasoning:
        prompt, completion = _by_kind(usage, price, price.prompt, price.completion)
    else:
        prompt, completion = usage.prompt * price.prompt, usage.completion * price.completion
    upstream = prompt + completion + price.request
    return Charge(_half_up(prompt), _half_up(completion), _half_up(upstream), with_fee(upstream, fee_ppm))


def with_fee(upstream: int, fee_ppm: int) -> int:
    """The whole charge in nano-dollars for `upstream` pico-dollars."""
    return _half_up(upstream * (PPM + fee_ppm), PICO_PER_NANO * PPM)


def _by_kind(usage: Usage, price: Price, prompt: int, completion: int) -> tuple[int, int]:
    """Pico-dollars of both sides when some tokens have prices of their own."""
    cache_read = prompt if price.cache_read is None else price.cache_read
    cache_write = prompt if price.cache_write is None else price.cache_write
    fresh = max(0, usage.prompt - usage.cached - usage.cache_written)
    visible = max(0, usage.completion - usage.reasoning)
    return (
        fresh * prompt + usage.cached * cache_read + usage.cache_written * cache_write,
        visible * completion + usage.reasoning * (price.reasoning or completion),
    )


def ceiling(prompt: int, completion: int, dearest: Iterable[Price], fee_ppm: int) -> int:
    """The most that so many tokens can cost at any of `dearest`, in nano-dollars, whatever kinds of tokens they are."""
    pico = 0
    for price in dearest:
        most = prompt * (price.prompt or 0) + completion * (price.completion or 0) + price.request
        pico = max(pico, most)
    return -(-pico * (PPM + fee_ppm) // (PICO_PER_NANO * PPM))


def dearest(prices: Iterable[Price]) -> tuple[Price, ...]:
    """What `ceiling` needs to look at: known prices, all tokens of the dearest kind, none covered by another one."""
    flat = {_flat(price) for price in prices if price.is_known}
    return tuple(Price(*one) for one in sorted(flat) if not any(_beats(other, one) for other in flat))


def _flat(price: Price) -> tuple[int, int, int]:
    prompt = max(price.prompt or 0, price.cache_read or 0, price.cache_write or 0)
    return prompt, max(price.completion or 0, price.reasoning or 0), price.request


def _beats(other: tuple[int, int, int], one: tuple[int, int, int]) -> bool:
    return other != one and all(theirs >= ours for theirs, ours in zip(other, one, strict=True))
