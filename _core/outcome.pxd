# What an outcome of an attempt changes, scope by scope. One failure is charged to exactly one scope; the others get back
# the permit that the attempt held.
from libc.stdint cimport uint64_t

from edgeproxy._core.admission cimport in_flight
from edgeproxy._core.atomics cimport edge_load, edge_store, edge_swap
from edgeproxy._core.attempt cimport FAILED, NEUTRAL, SUCCEEDED, Attempt
from edgeproxy._core.buckets cimport (
    BAD_ONE, GOOD_ONE, bucket_add, bucket_bad, bucket_good, bucket_is, bucket_retract,
)
from edgeproxy._core.constants cimport SCOPE_ENDPOINT, SCOPE_LANE
from edgeproxy._core.dice cimport uniform
from edgeproxy._core.latency cimport ewma_fold, histogram_add, is_slow_now
from edgeproxy._core.layout cimport MINUTES, TENANT_WORDS, Columns, Sizes
from edgeproxy._core.scope cimport WINDOW, epoch_of, expect_trouble, fail, forgive, leave, put_off, succeed, throttle
from edgeproxy._core.tenants cimport FAILED_FOR, note_tenant

cdef enum:
    SUCCESSES_A_SEAT = 20  # a paced lane gets one more seat for so many
    SLOW_MS = 30_000
    LEAST_WAIT_STEP = 6  # 64 s, cut to 60


cdef inline uint64_t told_ms(double retry_after_s, double chance) noexcept nogil:
    """What a provider asks us to wait, and up to a tenth more, so that not all come back at once."""
    return <uint64_t>(min(retry_after_s, 300.0) * (1.0 + 0.1 * chance) * 1000.0)


cdef inline void note_rate(Columns *columns, int endpoint, int cell, uint64_t epoch) noexcept nogil:
    """Called with the first success of a bucket: keep the count of the bucket before, if it was healthy."""
    cdef uint64_t bucket = edge_load(columns.cells.window + cell * WINDOW + (epoch - 1) % WINDOW)
    cdef uint64_t total = bucket_good(bucket) + bucket_bad(bucket)
    if bucket_is(bucket, epoch - 1) and bucket_good(bucket) * 5 >= total * 4:
        edge_store(columns.healthy_rate + endpoint, total)


cdef inline void pace_up(Columns *columns, int lane) noexcept nogil:
    """A success of a paced lane: the next wait is short again, and every twentieth gives a seat back."""
    cdef uint64_t word, limit, successes
    while True:
        word = edge_load(columns.pacing + lane)
        if not word:
            return
        limit, successes = word >> 32, ((word >> 16) & 0xFFFF) + 1
        if successes >= SUCCESSES_A_SEAT:
            limit, successes = limit + 1, 0
        if columns.max_concurrency[lane] and limit >= <uint64_t>columns.max_concurrency[lane]:
            limit = successes = 0
        if edge_swap(columns.pacing + lane, word, (limit << 32) | (successes << 16)):
            return


cdef inline void halve(Columns *columns, Sizes *sizes, int lane, uint64_t step) noexcept nogil:
    """A throttling began: half of what runs now, and a longer wait if the next 429 comes without a success."""
    cdef uint64_t word, limit, running = <uint64_t>max(1, in_flight(columns, sizes, lane))
    while True:
        word = edge_load(columns.pacing + lane)
        limit = min(word >> 32, running) if word >> 32 else running
        limit = max(<uint64_t>1, limit // 2)
        if edge_swap(columns.pacing + lane, word, (limit << 32) | step):
            return


cdef inline void record_success(Columns *columns, Attempt attempt, uint64_t now_ms, double now, double ttft_s) noexcept nogil:
    cdef int scope, counted
    attempt.outcome = SUCCEEDED
    attempt.ttft_s = ttft_s
    for scope in range(3):
        counted = succeed(&columns.cells, &attempt.ticket[scope], now_ms)
        if counted and scope == SCOPE_ENDPOINT:
            attempt.counted_epoch = epoch_of(now_ms) + 1
            if counted == 2:
                note_rate(columns, attempt.endpoint, attempt.ticket[scope].cell, epoch_of(now_ms))
        elif counted and scope == SCOPE_LANE:
            pace_up(columns, attempt.route)
    edge_store(columns.succeeded_ms + attempt.endpoint, now_ms + 1)
    if ttft_s >= 0.0:
        ewma_fold(columns.ttft + attempt.route, ttft_s, now)
        if histogram_add(&columns.ttft_ms, attempt.endpoint, ttft_s * 1000.0, now_ms):
            if is_slow_now(&columns.ttft_ms, attempt.endpoint, now_ms):
                edge_store(columns.slow_ms + attempt.endpoint, now_ms + SLOW_MS)
                expect_trouble(&columns.cells, now_ms + SLOW_MS)


cdef inline void charge_scope(Columns *columns, Attempt attempt, int scope, int failure, uint64_t now_ms) noexcept nogil:
    cdef uint64_t *tenants = NULL
    if scope == SCOPE_ENDPOINT:
        tenants = columns.tenants + attempt.endpoint * TENANT_WORDS
        note_tenant(tenants + FAILED_FOR, attempt.tenant, now_ms // 1000)
    fail(&columns.cells, &attempt.ticket[scope], failure, tenants, now_ms, attempt.dice.state, &attempt.charge)


cdef inline void record_not_before(
    Columns *columns, Attempt attempt, int scope, double retry_after_s, uint64_t now_ms
) noexcept nogil:
    put_off(
        &columns.cells, &attempt.ticket[scope], &attempt.charge,
        now_ms + told_ms(retry_after_s, uniform(attempt.dice.state)), now_ms,
    )


cdef inline void leave_others(Columns *columns, Attempt attempt, int charged) noexcept nogil:
    cdef int scope
    for scope in range(3):
        if scope != charged:
            leave(&columns.cells, &attempt.ticket[scope])


cdef inline void record_late_failure(Columns *columns, Attempt attempt, int failure, uint64_t now_ms) noexcept nogil:
    """After the commit point: the success is taken out of the window, so that an attempt counts once."""
    attempt.outcome = FAILED
    if attempt.counted_epoch:
        bucket_retract(
            columns.cells.window + attempt.ticket[SCOPE_ENDPOINT].cell * WINDOW, WINDOW, attempt.counted_epoch - 1, GOOD_ONE
        )
    charge_scope(columns, attempt, SCOPE_ENDPOINT, failure, now_ms)


cdef inline void record_throttle(
    Columns *columns, Sizes *sizes, Attempt attempt, double retry_after_s, uint64_t now_ms
) noexcept nogil:
    cdef uint64_t step = edge_load(columns.pacing + attempt.route) & 0xFFFF
    cdef double chance = uniform(attempt.dice.state)
    cdef uint64_t wait
    attempt.outcome = NEUTRAL
    leave_others(columns, attempt, SCOPE_LANE)
    if retry_after_s >= 0.0:
        wait = told_ms(retry_after_s, chance)
    else:
        wait = <uint64_t>(min(60.0, <double>(1 << step)) * (0.5 + 0.5 * chance) * 1000.0)
        step = min(step + 1, <uint64_t>LEAST_WAIT_STEP)
    if throttle(&columns.cells, &attempt.ticket[SCOPE_LANE], wait, now_ms, attempt.dice.state):
        halve(columns, sizes, attempt.route, step)


cdef inline void record_end(Columns *columns, Attempt attempt, uint64_t now_ms) noexcept nogil:
    """Count the attempt into its minute, once."""
    cdef uint64_t minute = now_ms // 60_000
    if attempt.outcome == SUCCEEDED or attempt.outcome == FAILED:
        bucket_add(
            columns.minutes + attempt.endpoint * MINUTES, MINUTES, minute, GOOD_ONE if attempt.outcome == SUCCEEDED else BAD_ONE
        )
    if attempt.outcome == FAILED:
        attempt.minute = minute + 1


cdef inline void record_speed(
    Columns *columns, Attempt attempt, int output_tokens, double stream_s, double now, uint64_t now_ms
) noexcept nogil:
    if output_tokens < 2 or not stream_s > 0.0 or not attempt.ttft_s >= 0.0:
        return
    ewma_fold(columns.token_time + attempt.route, stream_s / <double>(output_tokens - 1), now)
    histogram_add(
        &columns.throughput, attempt.endpoint, 4.0 * <double>output_tokens / (attempt.ttft_s + stream_s), now_ms
    )


cdef inline void take_back(Columns *columns, Attempt attempt, uint64_t now_ms) noexcept nogil:
    """Withdraw what the failure of `attempt` charged, its minute too."""
    if attempt.outcome != FAILED:
        return
    attempt.outcome = NEUTRAL
    if attempt.charge.cell >= 0:
        forgive(&columns.cells, &attempt.charge, now_ms)
    if attempt.minute:
        bucket_retract(columns.minutes + attempt.endpoint * MINUTES, MINUTES, attempt.minute - 1, BAD_ONE)
