"""What a call costs: the ledger's rule in whole numbers of any size, written for obviousness.

Rounding is half up, once for the total and once for the provider's part; the fee is their difference.
"""

from collections.abc import Iterable

from edgeproxy.domain.money import Price
from edgeproxy.domain.usage import Usage

PICO_PER_NANO = 10**3
PPM = 10**6


def _half_up(pico: int, divisor: int = PICO_PER_NANO) -> int:
    return (2 * pico + divisor) // (2 * divisor)


def charge(usage: Usage, price: Price, fee_ppm: int) -> tuple[int, int, int, int]:
    """The parts of a Charge for `usage` (contract 4.3), the fee being `fee_ppm` parts per million.

    An unknown price charges nothing.
    """
    if price.prompt is None or price.completion is None:
        return 0, 0, 0, 0
    if usage.cached or usage.cache_written or usage.reasoning:
        prompt, completion = _by_kind(usage, price, price.prompt, price.completion)
    else:
        prompt, completion = usage.prompt * price.prompt, usage.completion * price.completion
    upstream = prompt + completion + price.request
    return _half_up(prompt), _half_up(completion), _half_up(upstream), with_fee(upstream, fee_ppm)


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
