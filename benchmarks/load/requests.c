/* The load client's options, and the requests that it makes from them. */
#define _GNU_SOURCE
#include "client.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *tail;
    size_t tail_size;
    unsigned prompt_size;
    uint64_t prompt_hash;
} template;

static settings set;
static template *templates; /* of the end of a body, from the user's message on */
static char **keys;
static size_t key_count;

static const char USAGE[] =
    "client --port N [--host 127.0.0.1] [--path /v1/chat/completions] [--connections 32] [--duration 5] [--calls N]\n"
    "       [--rate CALLS_A_SECOND] [--ramp-ms N] [--drain 60] [--body-bytes 1024] [--bodies 1000] [--seed N]\n"
    "       [--model bench/m%u --models N] [--keys FILE] [--text-bytes N] [--first-us N]\n"
    "       [--header 'NAME: VALUE'] [--script-message]\n"
    "       [--stream [--events N] [--interval-us N] [--no-usage]]\n";

static const struct option KNOWN[] = {
    {"host", 1, 0, 'h'},     {"port", 1, 0, 'p'},        {"path", 1, 0, 'P'},       {"connections", 1, 0, 'c'},
    {"rate", 1, 0, 'r'},     {"duration", 1, 0, 'd'},    {"drain", 1, 0, 'D'},      {"calls", 1, 0, 'n'},
    {"ramp-ms", 1, 0, 'R'},  {"stream", 0, 0, 's'},      {"no-usage", 0, 0, 'u'},   {"events", 1, 0, 'e'},
    {"first-us", 1, 0, 'f'}, {"interval-us", 1, 0, 'i'}, {"text-bytes", 1, 0, 't'}, {"body-bytes", 1, 0, 'b'},
    {"bodies", 1, 0, 'B'},   {"model", 1, 0, 'm'},       {"models", 1, 0, 'M'},     {"keys", 1, 0, 'k'},
    {"seed", 1, 0, 'S'},     {"header", 1, 0, 'H'},      {"script-message", 0, 0, 'C'}, {0, 0, 0, 0},
};

static void settings_take(settings *s, int option, const char *value) {
    switch (option) {
    case 'h': s->host = value; return;
    case 'p': s->port = atoi(value); return;
    case 'P': s->path = value; return;
    case 'c': s->connections = (unsigned)atoi(value); return;
    case 'r': s->rate = atof(value); return;
    case 'd': s->duration_s = atof(value); return;
    case 'D': s->drain_s = atof(value); return;
    case 'n': s->calls = strtoull(value, NULL, 10); return;
    case 'R': s->ramp_ms = (unsigned)atoi(value); return;
    case 's': s->is_stream = 1; return;
    case 'u': s->wants_usage = 0; return;
    case 'e': s->events = (unsigned)atoi(value); return;
    case 'f': s->first_us = (unsigned)atoi(value); return;
    case 'i': s->interval_us = (unsigned)atoi(value); return;
    case 't': s->text_size = (unsigned)atoi(value); return;
    case 'b': s->body_size = (unsigned)atoi(value); return;
    case 'B': s->bodies = (unsigned)atoi(value); return;
    case 'm': s->model = value; return;
    case 'M': s->model_count = (unsigned)atoi(value); return;
    case 'k': s->keys_file = value; return;
    case 'H': s->header = value; return;
    case 'C': s->is_script_message = 1; return;
    case 'S': s->seed = strtoull(value, NULL, 10); return;
    default: fputs(USAGE, stderr); exit(2);
    }
}

void settings_read(int argc, char **argv, settings *out) {
    settings s = {.host = "127.0.0.1", .path = "/v1/chat/completions", .connections = 32, .duration_s = 5, .drain_s = 60,
                  .wants_usage = 1, .events = 64, .interval_us = 20000, .text_size = 20, .body_size = 1024, .bodies = 1000,
                  .model_count = 1, .model = "bench/m%u"};
    for (int option; (option = getopt_long(argc, argv, "", KNOWN, NULL)) != -1;) settings_take(&s, option, optarg);
    if (!s.port || !s.connections || !s.bodies || !s.model_count || optind < argc) {
        fputs(USAGE, stderr);
        exit(2);
    }
    if (s.calls) s.duration_s = 1e6;
    set = *out = s;
}

static void keys_load(void) {
    char line[512];
    FILE *file = set.keys_file ? fopen(set.keys_file, "r") : NULL;
    if (set.keys_file && !file) die(set.keys_file);
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!line[0]) continue;
        keys = realloc(keys, (key_count + 1) * sizeof *keys);
        keys[key_count++] = strdup(line);
    }
    if (file) fclose(file);
}

/* A prompt of ASCII words with the escapes that prose has, so that scanners meet backslashes. */
static void prompt_make(uint64_t seed, size_t size, buf *out) {
    static const char *const words[] = {"the ", "history ", "of ", "\\\"relay\\\" ", "is ", "long.\\n", "please ", "sum ",
                                        "up ",  "each ",    "day ", "in ",           "one ", "table, ",  "then ",   "stop "};
    uint64_t dice = hash_mix(seed * 2 + 1);
    while (buf_len(out) + 16 < size) {
        dice = hash_mix(dice + 1);
        buf_add(out, words[dice % LENGTH(words)], strlen(words[dice % LENGTH(words)]));
    }
    while (buf_len(out) < size) buf_add(out, "x", 1);
}

static void template_make(template *t, uint64_t seed) {
    buf prompt = {0}, tail = {0};
    size_t around = 330; /* about what stands around the prompt in a body */
    prompt_make(seed, set.body_size > around + 16 ? set.body_size - around : 16, &prompt);
    buf_print(&tail, "{\"role\":\"user\",\"content\":\"");
    buf_add(&tail, buf_at(&prompt), buf_len(&prompt));
    buf_print(&tail, "\"}],\"temperature\":0.7,\"top_p\":0.95,\"max_tokens\":256}");
    t->tail = buf_at(&tail);
    t->tail_size = buf_len(&tail);
    t->prompt_size = (unsigned)buf_len(&prompt);
    t->prompt_hash = hash_bytes(buf_at(&prompt), buf_len(&prompt));
    buf_free(&prompt);
}

void requests_prepare(const settings *s) {
    set = *s;
    keys_load();
    size_t most = 64u << 20; /* of memory for bodies; fewer of them when they are long */
    if ((size_t)set.bodies * set.body_size > most) set.bodies = (unsigned)(most / set.body_size) + 1;
    templates = must_alloc(set.bodies, sizeof *templates);
    for (unsigned i = 0; i < set.bodies; i++) template_make(&templates[i], set.seed * 1000003u + i);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void request_make(uint64_t call, script *script_out, buf *out) {
    static buf begin;
    char text[SCRIPT_SIZE], model[256];
    const template *t = &templates[call % set.bodies];
    script s = {.id = hash_mix(set.seed + 1) + call, .events = set.events, .first_us = set.first_us, .interval_us = set.interval_us,
                .text_size = set.text_size, .prompt_size = t->prompt_size, .prompt_hash = t->prompt_hash};
    *script_out = s;
    script_write(&s, text);
    snprintf(model, sizeof model, set.model, (unsigned)(hash_mix(call) % set.model_count));
    begin.start = begin.end = 0;
    buf_print(&begin, "{\"model\":\"%s\",%s", model,
              !set.is_stream ? "" : set.wants_usage ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "\"stream\":true,");
    if (set.is_script_message) buf_print(&begin, "\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},", text);
    else buf_print(&begin, "\"user\":\"%s\",\"messages\":[", text);
    buf_print(out, "POST %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: edgeproxy-bench\r\nAccept: application/json\r\n", set.path,
              set.host, set.port);
    if (set.header) buf_print(out, "%s\r\n", set.header);
    if (key_count) buf_print(out, "Authorization: Bearer %s\r\n", keys[hash_mix(call + 77) % key_count]);
    buf_print(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", buf_len(&begin) + t->tail_size);
    buf_add(out, buf_at(&begin), buf_len(&begin));
    buf_add(out, t->tail, t->tail_size);
}
