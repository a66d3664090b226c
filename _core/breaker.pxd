# The breaker word: one 64-bit word that every process changes by compare-and-swap and nothing else.
#
#   bits  0-2   state
#         3-5   step: which open time the next opening takes (in OPEN: which one this opening took)
#         6-7   probes that succeeded in a row (HALF_OPEN)
#         8     the probe permit is out, `deadline` is the end of its lease
#         9     the lease before ended without an outcome
#         10-13 reason: a failure class, or in HARD_OPEN a reason
#         14-25 generation: outcomes of an older one are ignored
#         26-63 deadline, milliseconds: OPEN, HARD_OPEN, THROTTLED, FORCED: until; RAMP: its end;
#               CLOSED: healthy since; HALF_OPEN: end of the lease, 0 without one
#
# These are pure functions of a word. What a change does beside the word is in scope.pxd.
from libc.stdint cimport uint64_t

from edgeproxy._core.constants cimport (
    CLOSED, FORCED_CLOSED, FORCED_OPEN, HALF_OPEN, HARD_OPEN, OPEN, RAMP, THROTTLED,
)

cdef enum:
    LAST_STEP = 6
    STATE_BITS = 7
    PERMIT_BIT = 1 << 8
    LAPSED_BIT = 1 << 9
    GENERATIONS = 0xFFF
    PROBES_TO_CLOSE = 3
    HEALTHY_STEP_MS = 30_000  # a closed breaker forgets one step in this time
    RAMP_STAGE_MS = 7_500
    RAMP_MS = 4 * RAMP_STAGE_MS
    LONGEST_HARD_MS = 900_000

cdef enum Standing:  # what a scope says to a call that would use it now
    SHUT = 0
    ADMITS = 1
    WANTS_PROBE = 2
    SOFT_OPEN = 3  # shut by failures: the trickle may pass


cdef inline int state_of(uint64_t word) noexcept nogil:
    return <int>(word & STATE_BITS)


cdef inline int step_of(uint64_t word) noexcept nogil:
    return <int>(word >> 3) & 7


cdef inline int probes_of(uint64_t word) noexcept nogil:
    return <int>(word >> 6) & 3


cdef inline int reason_of(uint64_t word) noexcept nogil:
    return <int>(word >> 10) & 15


cdef inline uint64_t generation_of(uint64_t word) noexcept nogil:
    return (word >> 14) & GENERATIONS


cdef inline uint64_t deadline_of(uint64_t word) noexcept nogil:
    return word >> 26


cdef inline uint64_t packed(int state, int step, int probes, int reason, uint64_t generation, uint64_t deadline) noexcept nogil:
    return (
        <uint64_t>state | (<uint64_t>step << 3) | (<uint64_t>probes << 6) | (<uint64_t>reason << 10)
        | ((generation & GENERATIONS) << 14) | (deadline << 26)
    )


cdef inline uint64_t open_ms(int step, double chance) noexcept nogil:
    """5, 10, 20 .. 160, 300 s with equal jitter: half of it is certain."""
    cdef double span_ms = 300_000.0 if step >= LAST_STEP else 5_000.0 * <double>(1 << step)
    return <uint64_t>(span_ms * (0.5 + 0.5 * chance))


cdef inline uint64_t settled(uint64_t word, uint64_t now_ms) noexcept nogil:
    """The word after what time alone has done to it."""
    cdef int state = state_of(word)
    if deadline_of(word) > now_ms:
        return word
    if state == RAMP or state == THROTTLED or state == FORCED_OPEN or state == FORCED_CLOSED:
        return packed(CLOSED, step_of(word), 0, 0, generation_of(word), deadline_of(word))
    return word


cdef inline int decayed_step(uint64_t word, uint64_t now_ms) noexcept nogil:
    """The step that an opening out of CLOSED takes: one less for each 30 s that it was closed."""
    cdef uint64_t healthy = (now_ms - deadline_of(word)) // HEALTHY_STEP_MS if now_ms > deadline_of(word) else 0
    return step_of(word) - <int>healthy if healthy < <uint64_t>step_of(word) else 0


cdef inline int standing_of(uint64_t word, uint64_t now_ms) noexcept nogil:
    cdef int state = state_of(word)
    cdef bint is_over = deadline_of(word) <= now_ms
    if state == CLOSED or state == RAMP or state == FORCED_CLOSED:
        return ADMITS
    if state == OPEN:
        return WANTS_PROBE if is_over else SOFT_OPEN
    if state == HALF_OPEN:
        return WANTS_PROBE if is_over or not word & PERMIT_BIT else SHUT
    if state == HARD_OPEN:
        return WANTS_PROBE if is_over else SHUT
    return ADMITS if is_over else SHUT  # THROTTLED, FORCED_OPEN


cdef inline bint is_lapsed_twice(uint64_t word) noexcept nogil:
    """Read of a word that wants a probe: the permit that is still out would be the second to lapse in a row."""
    return state_of(word) == HALF_OPEN and (word & PERMIT_BIT) != 0 and (word & LAPSED_BIT) != 0


cdef inline uint64_t leased(uint64_t word, uint64_t until_ms) noexcept nogil:
    """HALF_OPEN with the permit out. Read of a word that wants a probe."""
    if state_of(word) != HALF_OPEN:
        return packed(HALF_OPEN, step_of(word), 0, reason_of(word), generation_of(word) + 1, until_ms) | PERMIT_BIT
    cdef uint64_t next = packed(HALF_OPEN, step_of(word), probes_of(word), reason_of(word), generation_of(word), until_ms)
    return next | PERMIT_BIT | (LAPSED_BIT if word & PERMIT_BIT else 0)


cdef inline uint64_t unleased(uint64_t word, int probes) noexcept nogil:
    """HALF_OPEN with the permit back."""
    return packed(HALF_OPEN, step_of(word), probes, reason_of(word), generation_of(word), 0)


cdef inline bint holds_permit(uint64_t word, uint64_t lease_ms) noexcept nogil:
    return lease_ms != 0 and state_of(word) == HALF_OPEN and (word & PERMIT_BIT) != 0 and deadline_of(word) == lease_ms


cdef inline double ramp_share(uint64_t word, uint64_t now_ms) noexcept nogil:
    """10, 25, 50, 100 % of its weight over the 30 s of a ramp."""
    if state_of(word) != RAMP or deadline_of(word) <= now_ms:
        return 1.0
    cdef uint64_t stages_left = (deadline_of(word) - now_ms - 1) // RAMP_STAGE_MS
    if stages_left >= 3:
        return 0.1
    if stages_left == 2:
        return 0.25
    return 0.5 if stages_left == 1 else 1.0


cdef inline uint64_t wait_ms(uint64_t word, uint64_t now_ms) noexcept nogil:
    """How long this scope keeps calls away; a permit that is out may come back any moment, so a second is said."""
    if standing_of(word, now_ms) == ADMITS or deadline_of(word) <= now_ms:
        return 0
    if state_of(word) == HALF_OPEN:
        return 1_000 if word & PERMIT_BIT else 0
    return deadline_of(word) - now_ms
