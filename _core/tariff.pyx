"""What tokens cost at one endpoint, in whole numbers: pico-dollars a token in, nano-dollars out.

Rounding is half up, once for the total and once for each of the provider's parts; the fee is their difference. Sums
are kept in 128 bits, so nothing is lost on the way.
"""
cimport cython
from libc.stdint cimport int64_t

cdef wide PPM = 1_000_000
cdef wide PICO_PER_NANO = 1_000
cdef int64_t MOST = 0x7FFF_FFFF_FFFF_FFFF  # nano-dollars: nine thousand million dollars


cdef inline int64_t half_up(wide value, wide divisor) noexcept nogil:
    cdef wide rounded = (2 * value + divisor) // (2 * divisor)
    return <int64_t>rounded if rounded < MOST else MOST


cdef inline int64_t known(price, int64_t otherwise) except? -1:
    return otherwise if price is None else price


@cython.final
cdef class Tariff:
    """Prices in pico-dollars: a token, and `request` a call. None is unknown: such a tariff charges nothing."""

    def __cinit__(self, prompt, completion, int64_t request, cache_read, cache_write, reasoning, int64_t fee_ppm):
        self.is_known = prompt is not None and completion is not None
        self.prompt = known(prompt, 0)
        self.completion = known(completion, 0)
        self.request = request
        self.cache_read = known(cache_read, self.prompt)
        self.cache_write = known(cache_write, self.prompt)
        self.reasoning = known(reasoning, 0) or self.completion
        self.fee_ppm = fee_ppm
        if min(self.prompt, self.completion, request, self.cache_read, self.cache_write, self.reasoning, fee_ppm) < 0:
            raise ValueError("a price is zero or more")

    cpdef Charge charge(self, Usage usage):
        """The provider's price of `usage`, and the same with the fee."""
        cdef Charge charge = Charge.__new__(Charge)
        cdef wide fresh, visible, before, after, upstream
        if usage is None:
            raise TypeError("a charge is of some usage")
        if not self.is_known:
            return charge
        fresh = max(0, usage.prompt - usage.cached - usage.cache_written)
        visible = max(0, usage.completion - usage.reasoning)
        before = (
            fresh * self.prompt + <wide>usage.cached * self.cache_read + <wide>usage.cache_written * self.cache_write
        )
        after = visible * self.completion + <wide>usage.reasoning * self.reasoning
        upstream = before + after + self.request
        charge.upstream_prompt = half_up(before, PICO_PER_NANO)
        charge.upstream_completion = half_up(after, PICO_PER_NANO)
        charge.upstream = half_up(upstream, PICO_PER_NANO)
        charge.total = half_up(upstream * (PPM + self.fee_ppm), PICO_PER_NANO * PPM)
        return charge

    cdef wide most(self, int64_t prompt, int64_t completion) noexcept nogil:
        """Pico-dollars when all tokens are of the dearest kind."""
        if not self.is_known:
            return 0
        return (
            <wide>prompt * max(self.prompt, max(self.cache_read, self.cache_write))
            + <wide>completion * max(self.completion, self.reasoning)
            + self.request
        )


cpdef int64_t ceiling(tuple tariffs, int64_t prompt, int64_t completion) except -1:
    """The most that so many tokens can cost at any of `tariffs`, fee and all, in nano-dollars; rounded up."""
    cdef Tariff tariff
    cdef wide pico = 0, one
    cdef wide unit = PICO_PER_NANO * PPM
    for tariff in tariffs:
        one = tariff.most(prompt, completion) * (PPM + tariff.fee_ppm)
        if one > pico:
            pico = one
    pico = (pico + unit - 1) // unit
    return <int64_t>pico if pico < MOST else MOST
