# A provider's `usage` object, walked once.
from libc.stdint cimport int64_t

from edgeproxy._core.text cimport Place, Walk
from edgeproxy.domain.charge cimport Charge
from edgeproxy.domain.usage cimport Usage

cdef struct Seen:
    Walk walk
    bint is_sound            # every count is a whole number, zero or more, no larger than MOST_TOKENS
    int64_t prompt           # -1: not there
    int64_t completion
    int64_t total            # -1: not there
    int64_t cached
    int64_t written
    int64_t reasoning
    int64_t hit              # DeepSeek's spelling of `cached`
    bint has_others          # members that are not in the contract's object
    bint has_other_details   # or not in its details
    Place before             # `prompt_tokens_details`, if it is an object; else NULL
    Place before_end
    Place after              # `completion_tokens_details`
    Place after_end

cpdef Usage read_usage(bytes raw)
cpdef bytes write_usage(Usage usage, Charge charge, bytes raw)
