#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static unsigned bucket_of(uint64_t value) {
    if (value < STEPS) return (unsigned)value;
    unsigned power = 63u - (unsigned)__builtin_clzll(value);
    return (power - STEP_BITS + 1) * STEPS + (unsigned)((value >> (power - STEP_BITS)) & (STEPS - 1));
}

static uint64_t upper_end(unsigned bucket) {
    if (bucket < STEPS) return bucket;
    unsigned power = bucket / STEPS + STEP_BITS - 1;
    return (((uint64_t)STEPS + bucket % STEPS + 1) << (power - STEP_BITS)) - 1;
}

void histogram_add(histogram *h, uint64_t nanoseconds) {
    h->counts[bucket_of(nanoseconds)]++;
    h->count++;
    h->sum += nanoseconds;
    if (nanoseconds > h->max) h->max = nanoseconds;
}

static double percentile_us(const histogram *h, double share) {
    uint64_t wanted = (uint64_t)((double)h->count * share), seen = 0;
    for (unsigned i = 0; i < sizeof h->counts / sizeof *h->counts; i++) {
        seen += h->counts[i];
        if (seen > wanted) return (double)(upper_end(i) < h->max ? upper_end(i) : h->max) / 1e3;
    }
    return (double)h->max / 1e3;
}

static void histogram_print(const char *name, const histogram *h) {
    printf("  \"%s_us\": {\"count\": %" PRIu64, name, h->count);
    if (h->count) {
        printf(", \"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f",
               (double)h->sum / (double)h->count / 1e3, percentile_us(h, .5), percentile_us(h, .9), percentile_us(h, .99),
               percentile_us(h, .999), (double)h->max / 1e3);
    }
    puts("},");
}

void moments_add(moments *m, uint64_t nanoseconds, uint64_t now) {
    if (now >= m->ends_at) {
        if (m->now.count && m->count < MOMENTS) m->p99_us[m->count++] = percentile_us(&m->now, .99);
        memset(&m->now, 0, sizeof m->now);
        m->ends_at = now + MOMENT_NS;
    }
    histogram_add(&m->now, nanoseconds);
}

static void moments_print(const char *name, const moments *m) {
    printf("  \"%s_moments_p99_us\": [", name);
    for (unsigned i = 0; i < m->count; i++) printf("%s%.1f", i ? ", " : "", m->p99_us[i]);
    puts("],");
}

static void counts_print(const char *name, const char *const *names, const uint64_t *counts, unsigned size) {
    printf("  \"%s\": {", name);
    for (unsigned i = 0; i < size; i++) printf("%s\"%s\": %" PRIu64, i ? ", " : "", names[i], counts[i]);
    puts("},");
}

void tally_failure(tally *t, const char *what, const char *data, unsigned long size) {
    if (t->first_failure[0]) return;
    if (size > 300) size = 300;
    snprintf(t->first_failure, sizeof t->first_failure, "%s: %.*s", what, (int)size, data ? data : "");
    for (char *c = t->first_failure; *c; c++)
        if (*c == '"' || *c == '\\') *c = '\'';
        else if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') *c = ' ';
}

void tally_print(const tally *t, double elapsed_s, double drained_s, double client_cpu_s) {
    static const char *const outcomes[] = {"done", "error_event", "failed_before_commit", "truncated", "wrong"};
    static const char *const wrongs[] = {"lost", "changed", "after_done", "no_finish", "no_usage", "untyped_error", "malformed"};
    const char *comma = "";
    printf("{\n  \"started\": %" PRIu64 ",\n", t->started);
    counts_print("outcomes", outcomes, t->outcomes, OUTCOMES);
    counts_print("wrong", wrongs, t->wrongs, WRONGS);
    printf("  \"statuses\": {");
    for (unsigned i = 0; i < 600; i++) {
        if (!t->statuses[i]) continue;
        printf("%s\"%u\": %" PRIu64, comma, i, t->statuses[i]);
        comma = ", ";
    }
    printf("},\n  \"broken\": %" PRIu64 ",\n  \"connections\": %" PRIu64 ",\n", t->broken, t->connections);
    printf("  \"events\": %" PRIu64 ",\n  \"joined\": %" PRIu64 ",\n  \"comments\": %" PRIu64 ",\n  \"bytes\": %" PRIu64 ",\n",
           t->events, t->joined, t->comments, t->bytes);
    histogram_print("latency", &t->latency);
    histogram_print("ttft", &t->ttft);
    histogram_print("delay", &t->delay);
    moments_print("delay", &t->delay_moments);
    histogram_print("first_delay", &t->first_delay);
    histogram_print("gap", &t->gap);
    printf("  \"first_failure\": \"%s\",\n", t->first_failure);
    printf("  \"elapsed_s\": %.3f,\n  \"drained_s\": %.3f,\n  \"client_cpu_s\": %.3f\n}\n", elapsed_s, drained_s, client_cpu_s);
}
