# Where each column of the route table lies in the shared buffer. A buffer of zeroes is a table in which nothing happened.
from libc.stdint cimport int32_t, uint16_t, uint64_t

from edgeproxy._core.latency cimport BINS, SLICES, Histogram
from edgeproxy._core.rates cimport Limit
from edgeproxy._core.scope cimport STATES, WINDOW, Cells

cdef enum:
    LAYOUT_VERSION = 3
    LINE = 64  # columns begin on a cache line
    MINUTES = 1_440
    BUDGET_SECONDS = 10
    TENANT_WORDS = 4

cdef struct Sizes:
    int hosts
    int endpoints
    int lanes
    int pools
    int workers

cdef struct Columns:
    uint64_t *header  # [1] what the buffer was laid out for, so that no process reads it otherwise
    Cells cells  # hosts, then endpoints, then lanes
    # lanes; the first five are written by the supervisor only
    int32_t *host_of  # [lanes]
    int32_t *endpoint_of  # [lanes]
    int32_t *pool_of  # [lanes]
    int32_t *max_concurrency  # [lanes] 0: no limit
    int32_t *lease_ms  # [lanes] of a probe permit; 0: the table's default
    uint64_t *pacing  # [lanes] after a 429: limit (32 bits) | successes (16) | step of the next wait (16); 0: not paced
    uint64_t *ttft  # [lanes] peak-EWMA, seconds
    uint64_t *token_time  # [lanes] peak-EWMA, seconds an output token
    Limit *limits  # [lanes] requests and tokens a minute
    int32_t *in_flight  # [workers][lanes] each worker writes its own row
    # endpoints
    uint64_t *tenants  # [endpoints][TENANT_WORDS]
    uint64_t *succeeded_ms  # [endpoints] the last success + 1; 0: never
    uint64_t *healthy_rate  # [endpoints] attempts in the last 3 s bucket that was healthy
    uint64_t *trickle_ms  # [endpoints] no trickle before
    uint64_t *slow_ms  # [endpoints] called slow until then
    uint64_t *minutes  # [endpoints][MINUTES] finished attempts by minute
    Histogram ttft_ms
    Histogram throughput  # output tokens a second, x 4
    # pools
    uint64_t *budget  # [pools][BUDGET_SECONDS] good: calls, bad: retries
    int32_t *retries  # [workers][pools] running now
    int32_t *waiting  # [workers][pools] calls in the queue of a model


cdef inline char *place(char *base, size_t *offset, size_t bytes) noexcept nogil:
    cdef char *column = base + offset[0]
    offset[0] += (bytes + LINE - 1) // LINE * LINE
    return column


cdef inline size_t lay_out(Columns *columns, char *base, Sizes *sizes) noexcept nogil:
    """Point the columns into the buffer at `base` (NULL to learn the size); how many bytes they take."""
    cdef size_t offset = 0
    cdef size_t lanes = sizes.lanes, endpoints = sizes.endpoints, pools = sizes.pools, workers = sizes.workers
    cdef size_t cells = sizes.hosts + endpoints + lanes
    columns.header = <uint64_t *>place(base, &offset, 8)
    columns.cells.trouble_ms = <uint64_t *>place(base, &offset, 8)
    columns.cells.word = <uint64_t *>place(base, &offset, cells * 8)
    columns.cells.consecutive = <int32_t *>place(base, &offset, cells * 4)
    columns.cells.unstable_ms = <uint64_t *>place(base, &offset, cells * 8)
    columns.cells.window = <uint64_t *>place(base, &offset, cells * WINDOW * 8)
    columns.cells.streak_ms = <uint64_t *>place(base, &offset, cells * 8)
    columns.cells.entered = <uint64_t *>place(base, &offset, cells * STATES * 8)
    columns.cells.holder = <int32_t *>place(base, &offset, cells * 4)
    columns.host_of = <int32_t *>place(base, &offset, lanes * 4)
    columns.endpoint_of = <int32_t *>place(base, &offset, lanes * 4)
    columns.pool_of = <int32_t *>place(base, &offset, lanes * 4)
    columns.max_concurrency = <int32_t *>place(base, &offset, lanes * 4)
    columns.lease_ms = <int32_t *>place(base, &offset, lanes * 4)
    columns.pacing = <uint64_t *>place(base, &offset, lanes * 8)
    columns.ttft = <uint64_t *>place(base, &offset, lanes * 8)
    columns.token_time = <uint64_t *>place(base, &offset, lanes * 8)
    columns.limits = <Limit *>place(base, &offset, lanes * sizeof(Limit))
    columns.in_flight = <int32_t *>place(base, &offset, workers * lanes * 4)
    columns.tenants = <uint64_t *>place(base, &offset, endpoints * TENANT_WORDS * 8)
    columns.succeeded_ms = <uint64_t *>place(base, &offset, endpoints * 8)
    columns.healthy_rate = <uint64_t *>place(base, &offset, endpoints * 8)
    columns.trickle_ms = <uint64_t *>place(base, &offset, endpoints * 8)
    columns.slow_ms = <uint64_t *>place(base, &offset, endpoints * 8)
    columns.minutes = <uint64_t *>place(base, &offset, endpoints * MINUTES * 8)
    columns.ttft_ms.epoch = <uint64_t *>place(base, &offset, endpoints * SLICES * 8)
    columns.ttft_ms.count = <uint16_t *>place(base, &offset, endpoints * SLICES * BINS * 2)
    columns.throughput.epoch = <uint64_t *>place(base, &offset, endpoints * SLICES * 8)
    columns.throughput.count = <uint16_t *>place(base, &offset, endpoints * SLICES * BINS * 2)
    columns.budget = <uint64_t *>place(base, &offset, pools * BUDGET_SECONDS * 8)
    columns.retries = <int32_t *>place(base, &offset, workers * pools * 4)
    columns.waiting = <int32_t *>place(base, &offset, workers * pools * 4)
    return offset
