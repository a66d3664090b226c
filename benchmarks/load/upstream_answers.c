/* What the fake upstream says, byte for byte the shapes that OpenAI sends. */
#define _GNU_SOURCE
#include "upstream.h"

#include <inttypes.h>
#include <string.h>

static const char MODEL[] = "bench-model-2026-01-01";
static buf text, event; /* scratch, kept between calls */

static void scratch_clear(void) {
    text.start = text.end = event.start = event.end = 0;
}

static void event_open(const conn *c) {
    buf_print(&event,
              "data: {\"id\":\"chatcmpl-%016" PRIx64 "\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,"
              "\"model\":\"%s\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\",",
              c->script.id, MODEL);
}

static void chunk_put(conn *c) {
    buf_print(&c->out, "%zx\r\n", buf_len(&event));
    buf_add(&c->out, buf_at(&event), buf_len(&event));
    buf_add(&c->out, "\r\n", 2);
}

static void usage_print(const conn *c, unsigned tokens, buf *out) {
    unsigned prompt = c->script.prompt_size / 4 + 8;
    buf_print(out,
              "\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u,\"prompt_tokens_details\":"
              "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,"
              "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
              prompt, tokens, prompt + tokens);
}

void stream_begin(conn *c) {
    scratch_clear();
    buf_print(&c->out, "HTTP/1.1 200 OK\r\nServer: bench-upstream\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                       "Cache-Control: no-cache\r\nx-request-id: req_%016" PRIx64 "\r\nTransfer-Encoding: chunked\r\n\r\n",
              c->script.id);
    event_open(c);
    buf_print(&event, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},"
                      "\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    chunk_put(c);
}

void stream_event(conn *c, uint64_t now) {
    scratch_clear();
    buf_print(&text, "t=%019" PRIu64 " n=%u ", now, c->event);
    text_make(c->script.id, c->event, c->script.text_size, &text);
    event_open(c);
    buf_print(&event, "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
    json_escape(buf_at(&text), buf_len(&text), &event);
    buf_print(&event, "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    chunk_put(c);
    c->event++;
}

void stream_end(conn *c) {
    scratch_clear();
    event_open(c);
    buf_print(&event, "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n");
    if (c->wants_usage) {
        event_open(c);
        buf_print(&event, "\"choices\":[],");
        usage_print(c, c->script.events, &event);
        buf_print(&event, "}\n\n");
    }
    buf_print(&event, "data: [DONE]\n\n");
    chunk_put(c);
    buf_print(&c->out, "0\r\n\r\n");
}

static void put_json(conn *c, int status, const char *reason, const buf *body) {
    buf_print(&c->out,
              "HTTP/1.1 %d %s\r\nServer: bench-upstream\r\nContent-Type: application/json\r\nx-request-id: req_%016" PRIx64
              "\r\nContent-Length: %zu\r\n\r\n",
              status, reason, c->script.id, buf_len(body));
    buf_add(&c->out, buf_at(body), buf_len(body));
}

void whole_answer(conn *c) {
    scratch_clear();
    text_make(c->script.id, 0, c->script.text_size, &text);
    buf_print(&event,
              "{\"id\":\"chatcmpl-%016" PRIx64 "\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":\"%s\","
              "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
              c->script.id, MODEL);
    json_escape(buf_at(&text), buf_len(&text), &event);
    buf_print(&event, "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],");
    usage_print(c, c->script.text_size / 4 + 1, &event);
    buf_print(&event, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\"}");
    put_json(c, 200, "OK", &event);
}

void answer_models(conn *c) {
    scratch_clear();
    buf_print(&event, "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\",\"created\":1767225600,"
                      "\"owned_by\":\"bench\"}]}",
              MODEL);
    put_json(c, 200, "OK", &event);
}

void answer_error(conn *c, int status, const char *message) {
    scratch_clear();
    buf_print(&event, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":null}}", message,
              status < 500 ? "invalid_request_error" : "server_error");
    put_json(c, status, status < 500 ? "Bad Request" : "Internal Server Error", &event);
}

static const char *prompt_at(const script *s, const char *prompt, const char *end) {
    if (!prompt || *prompt++ != '"' || (size_t)(end - prompt) <= s->prompt_size || prompt[s->prompt_size] != '"') return NULL;
    return hash_bytes(prompt, s->prompt_size) == s->prompt_hash ? prompt : NULL;
}

/* The client says in the script how long its prompt is and what it hashes to. It stands where a gateway puts it. */
static const char *prompt_find(const script *s, const char *body, const char *end) {
    static const char *const keys[] = {"\"content\"", "\"text\""};
    for (size_t i = 0; i < LENGTH(keys); i++)
        for (const char *at = body, *found; (at = json_value(at, end, keys[i]));)
            if ((found = prompt_at(s, at, end))) return found;
    return NULL;
}

static int is_set(const char *body, const char *prompt, const char *after, const char *end, const char *key) {
    const char *value = json_value(body, prompt, key);
    if (!value) value = json_value(after, end, key);
    return value && *value == 't';
}

int request_read(conn *c, const char *body, size_t size) {
    const char *end = body + size, *prompt = end, *after = end;
    if (!script_read(body, size, &c->script)) {
        c->script.id = hash_bytes(body, size);
    } else if (c->script.prompt_size) {
        prompt = prompt_find(&c->script, body, end);
        if (!prompt) return 0;
        after = prompt + c->script.prompt_size;
    }
    c->is_stream = is_set(body, prompt, after, end, "\"stream\"");
    c->wants_usage = is_set(body, prompt, after, end, "\"include_usage\"");
    return 1;
}
