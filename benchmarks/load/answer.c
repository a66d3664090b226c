#define _GNU_SOURCE
#include "answer.h"

#include <string.h>

static buf got, expected; /* scratch, kept between events */

void answer_begin(answer *a, tally *t) {
    buf head_text = a->head_text, line = a->line, whole = a->whole;
    script asked = a->script;
    answer clear = {.is_stream = a->is_stream, .wants_usage = a->wants_usage, .intended_at = a->intended_at};
    *a = clear;
    a->script = asked;
    a->head_text = head_text, a->line = line, a->whole = whole;
    buf_drop(&a->head_text, buf_len(&a->head_text));
    buf_drop(&a->line, buf_len(&a->line));
    buf_drop(&a->whole, buf_len(&a->whole));
    t->started++;
}

static void flag(answer *a, wrong kind, const char *what, const char *data, size_t size, tally *t) {
    a->is_wrong = 1;
    t->wrongs[kind]++;
    tally_failure(t, what, data, size);
}

/* ---- one event */

/* Content begins with the time and number that the upstream gave it; the rest is a function of call and number. */
static void content(answer *a, const char *text, const char *end, uint64_t now, tally *t) {
    uint64_t sent_at = 0, number = 0;
    got.start = got.end = expected.start = expected.end = 0;
    if (!json_unescape(text, end, &got)) {
        flag(a, MALFORMED, "content is no JSON string", text, (size_t)(end - text), t);
        return;
    }
    const char *at = buf_at(&got), *got_end = at + buf_len(&got);
    if (!number_read(&at, got_end, "t=", 10, &sent_at) || !number_read(&at, got_end, " n=", 10, &number) || at == got_end ||
        *at++ != ' ') {
        flag(a, CHANGED, "content without its number", text, (size_t)(end - text), t);
        return;
    }
    if (number != a->next_event) flag(a, LOST, "events out of sequence", text, (size_t)(end - text), t);
    text_make(a->script.id, (unsigned)number, a->script.text_size, &expected);
    if ((size_t)(got_end - at) != buf_len(&expected) || memcmp(at, buf_at(&expected), buf_len(&expected)))
        flag(a, CHANGED, "content is not what was sent", text, (size_t)(end - text), t);
    histogram_add(number ? &t->delay : &t->first_delay, now - sent_at);
    if (number) moments_add(&t->delay_moments, now - sent_at, now);
    if (!a->last_at) histogram_add(&t->ttft, now - a->intended_at);
    else histogram_add(&t->gap, now - a->last_at);
    a->last_at = now;
    a->next_event = (unsigned)number + 1;
    if (a->in_this_read++) t->joined++;
    t->events++;
}

static int is_true_value(const char *value, const char *end) { return value && end - value > 1 && *value != 'n'; }

static void event(answer *a, const char *data, size_t size, uint64_t now, tally *t) {
    const char *end = data + size, *value;
    if (a->is_done || a->errors) flag(a, AFTER_DONE, "an event after the last one", data, size, t);
    if (size == 6 && !memcmp(data, "[DONE]", 6)) {
        a->is_done = 1;
        return;
    }
    if (is_true_value(json_value(data, end, "\"error\""), end)) {
        a->errors++;
        if (!json_value(data, end, "\"error_type\"")) flag(a, UNTYPED_ERROR, "error without its type", data, size, t);
        tally_failure(t, "error event", data, size);
        return;
    }
    value = json_value(data, end, "\"content\"");
    if (value && *value == '"' && value[1] != '"') content(a, value + 1, end, now, t);
    if (is_true_value(json_value(data, end, "\"finish_reason\""), end)) a->is_finished = 1;
    if (is_true_value(json_value(data, end, "\"usage\""), end)) a->is_usage_seen = 1;
}

static void line(answer *a, const char *data, size_t size, uint64_t now, tally *t) {
    if (size && data[size - 1] == '\r') --size;
    if (!size) return;
    if (*data == ':') {
        t->comments++;
    } else if (size > 5 && !memcmp(data, "data:", 5)) {
        size_t skip = data[5] == ' ' ? 6 : 5;
        event(a, data + skip, size - skip, now, t);
    } else {
        flag(a, MALFORMED, "a line that is no event", data, size, t);
    }
}

static void lines(answer *a, const char *data, size_t size, uint64_t now, tally *t) {
    for (const char *newline; size && (newline = memchr(data, '\n', size));) {
        size_t piece = (size_t)(newline - data);
        if (buf_len(&a->line)) {
            buf_add(&a->line, data, piece);
            line(a, buf_at(&a->line), buf_len(&a->line), now, t);
            buf_drop(&a->line, buf_len(&a->line));
        } else {
            line(a, data, piece, now, t);
        }
        data += piece + 1;
        size -= piece + 1;
    }
    if (size) buf_add(&a->line, data, size);
}

/* ---- head and body */

static void body(answer *a, const char *data, size_t size, uint64_t now, tally *t) {
    if (a->is_stream && a->head.status == 200) lines(a, data, size, now, t);
    else buf_add(&a->whole, data, size);
}

static int feed_head(answer *a, const char **data, size_t *size) {
    size_t before = buf_len(&a->head_text);
    buf_add(&a->head_text, *data, *size);
    int found = head_parse(buf_at(&a->head_text), buf_len(&a->head_text), &a->head);
    if (found <= 0) return found;
    size_t eaten = a->head.size - before;
    *data += eaten;
    *size -= eaten;
    a->body_left = a->head.length;
    return 1;
}

int answer_feed(answer *a, const char *data, size_t size, uint64_t now, tally *t) {
    t->bytes += size;
    a->in_this_read = 0;
    if (!a->head.size) {
        int found = feed_head(a, &data, &size);
        if (found <= 0) return found;
    }
    while (size && a->head.is_chunked && a->chunks.state != CHUNK_FINISHED) {
        const char *piece;
        size_t piece_size;
        ssize_t eaten = chunked_eat(&a->chunks, data, size, &piece, &piece_size);
        if (eaten < 0) return -1;
        if (piece_size) body(a, piece, piece_size, now, t);
        data += eaten;
        size -= (size_t)eaten;
    }
    if (a->head.is_chunked) return a->chunks.state == CHUNK_FINISHED;
    if (a->head.length < 0) { /* framed by the end of the connection */
        body(a, data, size, now, t);
        return 0;
    }
    size_t part = (int64_t)size < a->body_left ? size : (size_t)a->body_left;
    if (part) body(a, data, part, now, t);
    a->body_left -= (int64_t)part;
    return !a->body_left;
}

/* ---- the verdict */

static void judge_whole(answer *a, tally *t) {
    const char *data = buf_at(&a->whole), *end = data + buf_len(&a->whole), *value;
    got.start = got.end = expected.start = expected.end = 0;
    value = buf_len(&a->whole) ? json_value(data, end, "\"content\"") : NULL;
    if (!value || *value != '"' || !json_unescape(value + 1, end, &got)) {
        flag(a, MALFORMED, "no content in the answer", data, buf_len(&a->whole), t);
        return;
    }
    text_make(a->script.id, 0, a->script.text_size, &expected);
    if (buf_len(&got) != buf_len(&expected) || memcmp(buf_at(&got), buf_at(&expected), buf_len(&got)))
        flag(a, CHANGED, "content is not what was sent", data, buf_len(&a->whole), t);
    if (!is_true_value(json_value(data, end, "\"usage\""), end)) flag(a, NO_USAGE, "no usage", data, buf_len(&a->whole), t);
}

static void judge_stream(answer *a, tally *t) {
    const char *last = buf_at(&a->line);
    if (a->next_event != a->script.events) flag(a, LOST, "[DONE] before the last event", last, 0, t);
    if (!a->is_finished) flag(a, NO_FINISH, "no finish_reason", last, 0, t);
    if (a->wants_usage && !a->is_usage_seen) flag(a, NO_USAGE, "no usage event", last, 0, t);
    if (buf_len(&a->line)) flag(a, MALFORMED, "a line without its end", last, buf_len(&a->line), t);
}

static outcome outcome_of(answer *a, int is_complete, tally *t) {
    int is_committed = a->is_stream && a->last_at;
    if (a->head.status == 200 && is_complete && !a->errors && (a->is_done || !a->is_stream)) {
        if (a->is_stream) judge_stream(a, t);
        else judge_whole(a, t);
        return a->is_wrong ? WRONG : DONE;
    }
    if (a->is_wrong) return WRONG;
    if (!is_committed) return FAILED_BEFORE_COMMIT;
    return a->errors == 1 ? ERROR_EVENT : TRUNCATED;
}

outcome answer_end(answer *a, int is_complete, uint64_t now, tally *t) {
    if (a->head.size && a->head.status > 0 && a->head.status < 600) t->statuses[a->head.status]++;
    if (a->head.size && !a->head.is_chunked && a->head.length < 0) is_complete = 1;
    if (!is_complete) t->broken++;
    outcome result = outcome_of(a, is_complete, t);
    if (result == FAILED_BEFORE_COMMIT) tally_failure(t, "failed before commit", buf_at(&a->whole), buf_len(&a->whole));
    if (result == TRUNCATED) tally_failure(t, "truncated", buf_at(&a->line), buf_len(&a->line));
    if (result == DONE) histogram_add(&t->latency, now - a->intended_at);
    t->outcomes[result]++;
    return result;
}
