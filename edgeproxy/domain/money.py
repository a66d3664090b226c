"""Money is an integer: amounts in nano-dollars, prices in pico-dollars a token.

Rounding (half up, once for the total and once for the provider's part; the fee is their difference) is the
ledger's rule. Floats and strings exist only at the wire.
"""

from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

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


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call costs, in nano-dollars. `total` is charged; `total - upstream` is the platform fee."""

    upstream_prompt: int
    upstream_completion: int
    upstream: int
    total: int

    @property
    def fee(self) -> int:
        return self.total - self.upstream


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
        return Charge(0, 0, 0, 0)
    cache_read = price.prompt if price.cache_read is None else price.cache_read
    cache_write = price.prompt if price.cache_write is None else price.cache_write
    reasoning = price.reasoning or price.completion
    fresh = max(0, usage.prompt - usage.cached - usage.cache_written)
    prompt = fresh * price.prompt + usage.cached * cache_read + usage.cache_written * cache_write
    visible = max(0, usage.completion - usage.reasoning)
    completion = visible * price.completion + usage.reasoning * reasoning
    upstream = prompt + completion + price.request
    return Charge(
        upstream_prompt=_half_up(prompt),
        upstream_completion=_half_up(completion),
        upstream=_half_up(upstream),
        total=_half_up(upstream * (PPM + fee_ppm), PICO_PER_NANO * PPM),
    )


def ceiling(prompt: int, completion: int, price: Price, fee_ppm: int) -> int:
    """The most that so many tokens can cost, in nano-dollars, however they are cached or spent on reasoning."""
    if price.prompt is None or price.completion is None:
        return 0
    dearest_prompt = max(price.prompt, price.cache_read or 0, price.cache_write or 0)
    dearest_completion = max(price.completion, price.reasoning or 0)
    pico = prompt * dearest_prompt + completion * dearest_completion + price.request
    return -(-pico * (PPM + fee_ppm) // (PICO_PER_NANO * PPM))
