/* What the load client counts, and its JSON. */
#ifndef TALLY_H
#define TALLY_H

#include <stdint.h>

/* Log-linear: 512 steps to each doubling, so a percentile is at most 0.2 % above the truth. What a gateway adds to 10 ms
   is a fraction of a millisecond: coarser steps would measure themselves. */
#define STEP_BITS 9
#define STEPS (1u << STEP_BITS)
typedef struct {
    uint64_t counts[(64 - STEP_BITS + 1) * STEPS];
    uint64_t count, sum, max;
} histogram;

/* p99 by tenths of a second: a machine that others disturb now and then is itself in the median one. */
#define MOMENT_NS 100000000ull
#define MOMENTS 1200
typedef struct {
    histogram now;
    uint64_t ends_at;
    double p99_us[MOMENTS];
    unsigned count;
} moments;

typedef enum {
    DONE,                 /* everything arrived, in order and unchanged */
    ERROR_EVENT,          /* committed, then ended by one typed error event */
    FAILED_BEFORE_COMMIT, /* no content reached the client: error status, error event or broken connection */
    TRUNCATED,            /* committed, then the connection broke without an error event */
    WRONG,                /* an event was lost, changed, doubled or out of order */
    OUTCOMES
} outcome;

typedef enum { LOST, CHANGED, AFTER_DONE, NO_FINISH, NO_USAGE, UNTYPED_ERROR, MALFORMED, WRONGS } wrong;

typedef struct {
    uint64_t started, outcomes[OUTCOMES], wrongs[WRONGS], statuses[600], broken;
    uint64_t events, joined, comments, bytes, connections;
    histogram latency, ttft, delay, gap, first_delay;
    moments delay_moments;
    char first_failure[512]; /* one sample, so that a reader knows where to look */
} tally;

void histogram_add(histogram *h, uint64_t nanoseconds);
void moments_add(moments *m, uint64_t nanoseconds, uint64_t now);
void tally_failure(tally *t, const char *what, const char *data, unsigned long size);
void tally_print(const tally *t, double elapsed_s, double drained_s, double client_cpu_s);

#endif
