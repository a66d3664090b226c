# The limits of a lane: requests and tokens a minute, for all workers together.
#
# Each is a generic cell rate algorithm (GCRA; ITU-T I.371, annex A: virtual scheduling) in one word: the time at which all
# that was let in will have been worked off. Letting in moves it by one compare-and-swap and nothing is held, so that a
# worker that is killed leaves nothing behind. It is the token bucket that providers document, read as time; what may go at
# once is small, because they judge a minute's limit by windows as short as a second (Azure OpenAI: 1 or 10 s).
#
# A burst of b and a pace of n - b (+ 1 for requests) a minute never let more than n into any 60 s. Tokens are an estimate
# at first: one call that is larger than the burst goes in when all before it is worked off, and the real number corrects it.
from libc.math cimport ceil
from libc.stdint cimport int64_t, uint64_t

from edgeproxy._core.atomics cimport edge_load, edge_swap

cdef enum:
    REQUESTS_HELD = 1  # what a lane is out of
    TOKENS_HELD = 2
    ROUNDING_NS = 1_000  # each call's work is rounded up; calls that fill a burst exactly are to fit

cdef extern from *:
    """
    #define MINUTE_NS 60e9
    #define MOST_DEBT_NS 120000000000u
    """
    const double MINUTE_NS
    const uint64_t MOST_DEBT_NS  # so long, at most, can what calls really used keep a lane shut

cdef struct Limit:  # one cache line a lane
    uint64_t request_ns  # between two requests; 0: no limit. The first four are written by the supervisor only
    uint64_t request_burst_ns  # work that may wait while another request is let in
    double token_ns
    uint64_t token_burst_ns
    uint64_t request_due_ns  # when all that was let in has been worked off
    uint64_t token_due_ns
    uint64_t spare[2]


cdef inline uint64_t ns(double seconds) noexcept nogil:
    return <uint64_t>(seconds * 1e9 + 0.5)


cdef inline void set_requests(Limit *limit, int64_t a_minute, double burst_s) noexcept nogil:
    cdef int64_t more = <int64_t>(<double>a_minute * burst_s / 60.0)  # that may go at once with the first
    limit.request_ns = <uint64_t>ceil(MINUTE_NS / <double>(a_minute - more)) if a_minute else 0
    limit.request_burst_ns = limit.request_ns * <uint64_t>(more + 1)


cdef inline void set_tokens(Limit *limit, int64_t a_minute, double burst_s) noexcept nogil:
    cdef int64_t burst = <int64_t>(<double>a_minute * burst_s / 60.0)
    limit.token_ns = MINUTE_NS / <double>(a_minute - burst) if a_minute else 0.0
    limit.token_burst_ns = <uint64_t>(<double>burst * limit.token_ns) + ROUNDING_NS


cdef inline uint64_t tokens_ns(Limit *limit, int64_t tokens) noexcept nogil:
    """The work of so many tokens; never more than a minute's, so that no call waits for ever."""
    return <uint64_t>min(ceil(<double>tokens * limit.token_ns), MINUTE_NS)


cdef inline uint64_t wait_ns(uint64_t due_ns, uint64_t work_ns, uint64_t burst_ns, uint64_t now_ns) noexcept nogil:
    """How long until `work_ns` more may be let in."""
    cdef uint64_t debt = due_ns - now_ns if due_ns > now_ns else 0
    cdef uint64_t room = burst_ns - work_ns if burst_ns > work_ns else 0
    return debt - room if debt > room else 0


cdef inline bint take(uint64_t *due_ns, uint64_t work_ns, uint64_t burst_ns, uint64_t now_ns) noexcept nogil:
    cdef uint64_t due
    while True:
        due = edge_load(due_ns)
        if wait_ns(due, work_ns, burst_ns, now_ns):
            return False
        if edge_swap(due_ns, due, max(due, now_ns) + work_ns):
            return True


cdef inline void give_back(uint64_t *due_ns, uint64_t work_ns) noexcept nogil:
    cdef uint64_t due
    while True:
        due = edge_load(due_ns)
        if edge_swap(due_ns, due, due - min(due, work_ns)):
            return


cdef inline void owe(uint64_t *due_ns, uint64_t work_ns, uint64_t now_ns) noexcept nogil:
    """Work that was done and not asked for. It never lifts the debt over its bound."""
    cdef uint64_t due, after
    while True:
        due = edge_load(due_ns)
        after = max(due, min(max(due, now_ns) + work_ns, now_ns + MOST_DEBT_NS))
        if edge_swap(due_ns, due, after):
            return


cdef inline uint64_t limit_wait_ns(Limit *limit, int64_t tokens, uint64_t before, uint64_t now_ns) noexcept nogil:
    """How long until a call of so many tokens may be let in, after `before` calls like it."""
    cdef uint64_t wait = 0, work
    if limit.request_ns:
        wait = wait_ns(
            edge_load(&limit.request_due_ns) + before * limit.request_ns, limit.request_ns, limit.request_burst_ns, now_ns
        )
    if limit.token_ns > 0.0:
        work = tokens_ns(limit, tokens)
        wait = max(wait, wait_ns(edge_load(&limit.token_due_ns) + before * work, work, limit.token_burst_ns, now_ns))
    return wait


cdef inline int held_by(Limit *limit, int64_t tokens, uint64_t now_ns) noexcept nogil:
    """What keeps a call of so many tokens out now; 0: nothing."""
    cdef int held = 0
    if limit.request_ns and wait_ns(
        edge_load(&limit.request_due_ns), limit.request_ns, limit.request_burst_ns, now_ns
    ):
        held = REQUESTS_HELD
    if limit.token_ns > 0.0 and wait_ns(
        edge_load(&limit.token_due_ns), tokens_ns(limit, tokens), limit.token_burst_ns, now_ns
    ):
        held |= TOKENS_HELD
    return held


cdef inline double room_of(uint64_t *due_ns, double each_ns, uint64_t burst_ns, uint64_t now_ns) noexcept nogil:
    """How many may be let in at once now; -1: there is no limit."""
    cdef uint64_t due = edge_load(due_ns)
    cdef uint64_t debt = due - now_ns if due > now_ns else 0
    if not each_ns > 0.0:
        return -1.0
    return <double>(burst_ns - min(burst_ns, debt)) / each_ns


cdef inline bint take_limits(Limit *limit, int64_t tokens, uint64_t now_ns) noexcept nogil:
    if limit.request_ns and not take(&limit.request_due_ns, limit.request_ns, limit.request_burst_ns, now_ns):
        return False
    if limit.token_ns > 0.0 and not take(
        &limit.token_due_ns, tokens_ns(limit, tokens), limit.token_burst_ns, now_ns
    ):
        give_back(&limit.request_due_ns, limit.request_ns)
        return False
    return True


cdef inline void leave_limits(Limit *limit, int64_t tokens) noexcept nogil:
    """The call was not let in after all."""
    give_back(&limit.request_due_ns, limit.request_ns)
    if limit.token_ns > 0.0:
        give_back(&limit.token_due_ns, tokens_ns(limit, tokens))


cdef inline void correct_tokens(Limit *limit, int64_t estimated, int64_t used, uint64_t now_ns) noexcept nogil:
    """The real number is known: the difference to the estimate goes back, or is owed."""
    cdef uint64_t counted = tokens_ns(limit, estimated), real = tokens_ns(limit, used)
    if real < counted:
        give_back(&limit.token_due_ns, counted - real)
    elif real > counted:
        owe(&limit.token_due_ns, real - counted, now_ns)
