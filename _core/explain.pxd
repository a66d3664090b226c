# Why the next draw would go as it would: for people, off the path.
from libc.stdint cimport int64_t, uint64_t

from edgeproxy._core.admission cimport held_back
from edgeproxy._core.atomics cimport edge_load
from edgeproxy._core.breaker cimport settled, state_of
from edgeproxy._core.candidates cimport Candidates
from edgeproxy._core.constants cimport CLOSED, FORCED_CLOSED, FORCED_OPEN, HALF_OPEN, HARD_OPEN, OPEN, RAMP, THROTTLED
from edgeproxy._core.layout cimport Columns, Sizes
from edgeproxy._core.rates cimport REQUESTS_HELD, held_by
from edgeproxy._core.scope cimport STATES
from edgeproxy._core.scorer cimport Ranking, rank


cdef inline bint is_graver(int state, int other) noexcept nogil:
    """Whether `state` keeps more calls away."""
    cdef int rank[STATES]
    rank[CLOSED], rank[FORCED_CLOSED], rank[RAMP], rank[HALF_OPEN] = 0, 1, 2, 3
    rank[THROTTLED], rank[OPEN], rank[HARD_OPEN], rank[FORCED_OPEN] = 4, 5, 6, 7
    return rank[state] > rank[other]


cdef inline object in_words(int scope, int state):
    """As `codes.py` names them; literals, so that a header needs no module."""
    return f"{('host', 'endpoint', 'lane')[scope]} " + (
        "closed", "open", "half open", "ramp", "throttled", "hard open", "forced open", "forced closed"
    )[state]


cdef inline tuple verdict(Columns *columns, Sizes *sizes, int lane, uint64_t bit, Ranking *ranking, int held, uint64_t now_ms):
    """The state of the scope that has the most to say about `lane`, and the reason in words."""
    cdef int cells[3]
    cdef int decisive = 0, decided = CLOSED, state, scope
    cells[0] = columns.host_of[lane]
    cells[1] = sizes.hosts + columns.endpoint_of[lane]
    cells[2] = sizes.hosts + sizes.endpoints + lane
    for scope in range(3):
        state = state_of(settled(edge_load(columns.cells.word + cells[scope]), now_ms))
        if is_graver(state, decided):
            decisive, decided = scope, state
    if decided != CLOSED:
        return decided, in_words(decisive, decided)
    if held:
        return decided, "requests a minute reached" if held & REQUESTS_HELD else "tokens a minute reached"
    if not (ranking.ready | ranking.unstable) & bit:
        return decided, "no seat left"
    if ranking.unstable & bit:
        return decided, "outage in the last 30 s"
    return decided, "slow" if edge_load(columns.slow_ms + columns.endpoint_of[lane]) > now_ms else ""


cdef inline list explained(
    Columns *columns, Sizes *sizes, Candidates candidates, uint64_t eligible, double prompt, double output, uint64_t now_ms
):
    cdef Ranking ranking
    cdef uint64_t group, bit, now_ns = now_ms * 1_000_000
    cdef int64_t tokens = <int64_t>(prompt + output)
    cdef uint64_t held = held_back(columns, candidates, eligible, tokens, now_ns)
    cdef double total = 0.0, share
    cdef int position, lane, by
    cdef list rows = []
    rank(columns, sizes, candidates, eligible & ~held, prompt, output, now_ms, &ranking)
    group = ranking.ready or ranking.unstable
    for position in range(candidates.count):
        if group >> position & 1:
            total += ranking.weight[position]
    for position in range(candidates.count):
        bit = <uint64_t>1 << position
        if eligible & bit:
            share = ranking.weight[position] / total if group & bit and total > 0.0 else 0.0
            lane = candidates.route[position]
            by = held_by(columns.limits + lane, tokens, now_ns) if held & bit else 0
            rows.append((position, share, *verdict(columns, sizes, lane, bit, &ranking, by, now_ms)))
    return rows
