/* Reads one answer as it arrives and judges every byte of it. */
#ifndef ANSWER_H
#define ANSWER_H

#include "script.h"
#include "tally.h"
#include "wire.h"

typedef struct {
    script script;        /* what was asked for, so what must come */
    int is_stream, wants_usage;
    uint64_t intended_at; /* when the call should have started: delays of the client itself count against the answer */
    head head;
    chunked chunks;
    int64_t body_left;    /* of a Content-Length body */
    buf head_text, line;  /* what reads have cut in two */
    buf whole;            /* a body that is no stream */
    unsigned next_event, in_this_read, errors;
    int is_finished, is_usage_seen, is_done, is_wrong;
    uint64_t last_at;
} answer;

void answer_begin(answer *a, tally *t);
/* 1 the answer is complete, 0 more to come, -1 it cannot be read further. */
int answer_feed(answer *a, const char *data, size_t size, uint64_t now, tally *t);
/* The answer is over (complete, or the connection broke); counts and returns what became of the call. */
outcome answer_end(answer *a, int is_complete, uint64_t now, tally *t);

#endif
