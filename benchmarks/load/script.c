#define _GNU_SOURCE
#include "script.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const WORDS[] = {
    "the ",  "route ",   "of ",    "a ",     "token ", "is ",     "short ",  "and ",    "\"quoted\" ", "caf\xc3\xa9 ", "line\n",
    "edge ", "answer ",  "to ",    "every ", "call ",  "comes ",  "whole ",  "in ",     "order ",      "\xe2\x82\xac 5 ",  "back\\slash ",
    "fast ", "measure ", "model ", "now ",   "then ",  "stream ", "unbroken ", "data: ", "\xf0\x9f\x98\x80 ", "tab\t",
};

static const char FORMAT[] = "bench:n%016" PRIx64 ":e%u:f%u:i%u:p%u:q%u:c%016" PRIx64;

size_t script_write(const script *s, char *out) {
    return (size_t)snprintf(out, SCRIPT_SIZE, FORMAT, s->id, s->events, s->first_us, s->interval_us, s->text_size,
                            s->prompt_size, s->prompt_hash);
}

int number_read(const char **at, const char *end, const char *before, unsigned base, uint64_t *out) {
    size_t skip = strlen(before);
    if ((size_t)(end - *at) < skip || memcmp(*at, before, skip)) return 0;
    const char *digits = *at + skip;
    *out = 0;
    for (*at = digits; *at < end; ++*at) {
        unsigned digit = (unsigned)**at - '0';
        if (digit > 9) digit = **at >= 'a' && **at <= 'f' ? (unsigned)(**at - 'a') + 10 : 99;
        if (digit >= base) break;
        *out = *out * base + digit;
    }
    return *at > digits;
}

int script_read(const char *body, size_t size, script *out) {
    static const struct { const char *before; unsigned base; } parts[] = {
        {"bench:n", 16}, {":e", 10}, {":f", 10}, {":i", 10}, {":p", 10}, {":q", 10}, {":c", 16},
    };
    uint64_t numbers[LENGTH(parts)];
    const char *at = memmem(body, size, "bench:n", 7), *end = body + size;
    for (size_t i = 0; i < LENGTH(parts); i++)
        if (!at || !number_read(&at, end, parts[i].before, parts[i].base, &numbers[i])) return 0;
    script read = {.id = numbers[0], .events = (unsigned)numbers[1], .first_us = (unsigned)numbers[2],
                   .interval_us = (unsigned)numbers[3], .text_size = (unsigned)numbers[4],
                   .prompt_size = (unsigned)numbers[5], .prompt_hash = numbers[6]};
    *out = read;
    return 1;
}

uint64_t hash_mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/* Four lanes of eight bytes a step: a prompt of 116 KB must not cost the upstream more than reading it. */
uint64_t hash_bytes(const char *data, size_t size) {
    uint64_t lanes[4] = {size, 1, 2, 3}, words[4];
    for (; size >= sizeof words; data += sizeof words, size -= sizeof words) {
        memcpy(words, data, sizeof words);
        for (int i = 0; i < 4; i++) {
            lanes[i] = (lanes[i] ^ words[i]) * 0x9e3779b97f4a7c15u;
            lanes[i] ^= lanes[i] >> 32;
        }
    }
    memset(words, 0, sizeof words);
    memcpy(words, data, size);
    uint64_t hash = 0;
    for (int i = 0; i < 4; i++) hash = hash_mix(hash * 31 + (lanes[i] ^ words[i]));
    return hash;
}

void text_make(uint64_t id, unsigned event, unsigned size, buf *out) {
    uint64_t dice = hash_mix(id * 0x9e3779b97f4a7c15u + event + 1);
    for (size_t begin = buf_len(out); buf_len(out) - begin < size; dice = hash_mix(dice + 1)) {
        const char *word = WORDS[dice % LENGTH(WORDS)];
        buf_add(out, word, strlen(word));
    }
}

void json_escape(const char *text, size_t size, buf *out) {
    char *to = buf_room(out, size * 2);
    for (const char *end = text + size; text < end; ++text) {
        char escaped = *text == '\n' ? 'n' : *text == '\t' ? 't' : *text;
        if (escaped != *text || escaped == '"' || escaped == '\\') *to++ = '\\';
        *to++ = escaped;
    }
    out->end = (size_t)(to - out->data);
}

static void utf8_add(unsigned rune, buf *out) {
    char *to = buf_room(out, 4);
    if (rune < 0x80) {
        *to++ = (char)rune;
    } else {
        int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
        *to++ = (char)((0xf0u << (3 - more)) | (rune >> (6 * more)));
        while (more--) *to++ = (char)(0x80 | ((rune >> (6 * more)) & 0x3f));
    }
    out->end = (size_t)(to - out->data);
}

static int hex4(const char *text, const char *end, unsigned *rune) {
    char digits[5] = "";
    if (end - text < 4) return 0;
    memcpy(digits, text, 4);
    return sscanf(digits, "%4x", rune) == 1;
}

/* The part of a \u escape after the u; a pair of surrogates is one rune. */
static const char *unescape_rune(const char *text, const char *end, buf *out) {
    unsigned rune, low;
    if (!hex4(text, end, &rune)) return NULL;
    text += 4;
    if (rune >= 0xd800 && rune < 0xdc00) {
        if (end - text < 6 || text[0] != '\\' || text[1] != 'u' || !hex4(text + 2, end, &low)) return NULL;
        rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
        text += 6;
    }
    utf8_add(rune, out);
    return text;
}

const char *json_unescape(const char *text, const char *end, buf *out) {
    while (text && text < end && *text != '"') {
        if (*text != '\\') {
            const char *run = text;
            while (text < end && *text != '"' && *text != '\\') ++text;
            buf_add(out, run, (size_t)(text - run));
            continue;
        }
        if (++text == end) return NULL;
        char escaped = *text++;
        if (escaped == 'u') {
            text = unescape_rune(text, end, out);
            continue;
        }
        *buf_room(out, 1) = escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped == 'r' ? '\r' : escaped;
        out->end++;
    }
    return text && text < end ? text + 1 : NULL;
}

const char *json_value(const char *data, const char *end, const char *key) {
    const char *at = memmem(data, (size_t)(end - data), key, strlen(key));
    if (!at) return NULL;
    for (at += strlen(key); at < end && (*at == ' ' || *at == ':'); ++at) {}
    return at < end ? at : NULL;
}
