# The order of the candidates of one call: who may be asked at all, who last, and with which weight.
from libc.stdint cimport uint64_t

from edgeproxy._core.admission cimport in_flight, seats
from edgeproxy._core.atomics cimport edge_load, edge_load32, edge_lowest
from edgeproxy._core.breaker cimport ADMITS, SHUT, SOFT_OPEN, STATE_BITS, WANTS_PROBE, ramp_share, standing_of
from edgeproxy._core.candidates cimport MOST, Candidates
from edgeproxy._core.dice cimport uniform
from edgeproxy._core.layout cimport Columns, Sizes


cdef struct Ranking:
    uint64_t ready  # positions that admit
    uint64_t unstable  # those that admit, but go last
    uint64_t probes  # those that want one call to try them
    uint64_t soft  # shut by failures only
    double price[MOST]
    double weight[MOST]


cdef inline bint is_unstable(Columns *columns, int cell, uint64_t now_ms) noexcept nogil:
    """An outage in the last 30 s: a fifth of enough attempts failed. While a streak runs, the breaker is to decide."""
    return edge_load(columns.cells.unstable_ms + cell) > now_ms and edge_load32(columns.cells.consecutive + cell) == 0


cdef inline int joint_standing(uint64_t host, uint64_t endpoint, uint64_t lane, uint64_t now_ms) noexcept nogil:
    """What three scopes say together: the least of them."""
    cdef int first = standing_of(host, now_ms)
    cdef int second = standing_of(endpoint, now_ms)
    cdef int third = standing_of(lane, now_ms)
    if first == SHUT or second == SHUT or third == SHUT:
        return SHUT
    if first == SOFT_OPEN or second == SOFT_OPEN or third == SOFT_OPEN:
        return SOFT_OPEN
    if first == WANTS_PROBE or second == WANTS_PROBE or third == WANTS_PROBE:
        return WANTS_PROBE
    return ADMITS


cdef inline double price_of(Candidates candidates, int position, double prompt, double output) noexcept nogil:
    """What the call is expected to cost there, in pico-dollars; -1 when that is not known."""
    if not candidates.is_priced >> position & 1:
        return -1.0
    return max(
        1000.0,
        prompt * candidates.prompt_pico[position]
        + output * candidates.completion_pico[position]
        + candidates.request_pico[position],
    )


cdef inline void judge(
    Columns *columns, Sizes *sizes, Candidates candidates, int position, bint is_quiet, uint64_t now_ms, Ranking *ranking
) noexcept nogil:
    """Put one position into its group, with its weight but for the price."""
    cdef int lane = candidates.route[position]
    cdef int endpoint = columns.endpoint_of[lane]
    cdef int host = columns.host_of[lane]
    cdef int endpoint_cell = sizes.hosts + endpoint, lane_cell = sizes.hosts + sizes.endpoints + lane
    cdef uint64_t host_word = edge_load(columns.cells.word + host)
    cdef uint64_t endpoint_word = edge_load(columns.cells.word + endpoint_cell)
    cdef uint64_t lane_word = edge_load(columns.cells.word + lane_cell)
    cdef uint64_t bit = <uint64_t>1 << position
    cdef double weight = candidates.weight[position]
    cdef int standing = ADMITS
    cdef int most = seats(columns, lane)
    if most and in_flight(columns, sizes, lane) >= most:
        return
    if (host_word | endpoint_word | lane_word) & STATE_BITS:
        standing = joint_standing(host_word, endpoint_word, lane_word, now_ms)
        if standing == SHUT:
            return
        weight *= min(ramp_share(host_word, now_ms), ramp_share(endpoint_word, now_ms), ramp_share(lane_word, now_ms))
    if is_quiet and standing == ADMITS:
        ranking.weight[position] = weight
        ranking.ready |= bit
        return
    if edge_load(columns.slow_ms + endpoint) > now_ms:
        weight *= 0.25
    ranking.weight[position] = weight
    if standing == SOFT_OPEN:
        ranking.soft |= bit
    elif standing == WANTS_PROBE and weight > 0.0:
        ranking.probes |= bit
    elif (
        standing == WANTS_PROBE  # the operator drained it: no call is sent there while another place is left
        or is_unstable(columns, host, now_ms)
        or is_unstable(columns, endpoint_cell, now_ms)
        or is_unstable(columns, lane_cell, now_ms)
    ):
        ranking.unstable |= bit
    else:
        ranking.ready |= bit


cdef inline void rank(
    Columns *columns, Sizes *sizes, Candidates candidates, uint64_t eligible, double prompt, double output, uint64_t now_ms,
    Ranking *ranking
) noexcept nogil:
    """Weight = operator's weight x ramp x degradation / price squared; an unknown price counts as the dearest one."""
    cdef double dearest = 1000.0, price
    cdef uint64_t left = eligible & candidates.all_positions
    cdef bint is_quiet = edge_load(columns.cells.trouble_ms) <= now_ms
    cdef int position
    ranking.ready = ranking.unstable = ranking.probes = ranking.soft = 0
    while left:
        position = edge_lowest(left)
        left &= left - 1
        price = price_of(candidates, position, prompt, output)
        dearest = max(dearest, price)
        ranking.price[position] = price
        judge(columns, sizes, candidates, position, is_quiet, now_ms, ranking)
    left = ranking.ready | ranking.unstable
    while left:
        position = edge_lowest(left)
        left &= left - 1
        price = ranking.price[position]
        if price < 0.0:
            price = dearest
        ranking.weight[position] /= price * price


cdef inline int draw(const double *weight, uint64_t positions, uint64_t *dice) noexcept nogil:
    """One of `positions` by weight; when none has any, the first."""
    cdef double total = 0.0, left
    cdef uint64_t rest = positions
    cdef int position = edge_lowest(positions), drawn
    while rest:
        total += weight[edge_lowest(rest)]
        rest &= rest - 1
    if not total > 0.0:
        return position
    drawn = position
    left = uniform(dice) * total
    rest = positions
    while rest:
        position = edge_lowest(rest)
        rest &= rest - 1
        if weight[position] > 0.0:
            drawn = position  # rounding may leave a crumb after the last: it goes to the last that has weight
            left -= weight[position]
            if left < 0.0:
                break
    return drawn
