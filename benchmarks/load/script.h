/* What a call asks of the fake upstream, and the text that both ends know it must carry.
 *
 * The client puts the script into the request's own `user` field, which every gateway passes on, so that each call can
 * ask for its own pace. Text is a function of call id and event number: the client can compare every byte. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "wire.h"

#define SCRIPT_SIZE 128 /* longest script, as text */

typedef struct {
    uint64_t id;
    unsigned events;      /* content events of a stream */
    unsigned first_us;    /* until the first of them, or until a non-stream answer */
    unsigned interval_us; /* between them; 0 = back to back, each in a send of its own */
    unsigned text_size;   /* bytes of text an event carries, about */
    unsigned prompt_size; /* of the first message's content, as JSON text */
    uint64_t prompt_hash;
} script;

size_t script_write(const script *s, char *out); /* out: SCRIPT_SIZE bytes */
int script_read(const char *body, size_t size, script *out);
/* The text `before`, then a number: moves *at behind it. 0 when that is not what stands there. */
int number_read(const char **at, const char *end, const char *before, unsigned base, uint64_t *out);

uint64_t hash_bytes(const char *data, size_t size);
uint64_t hash_mix(uint64_t value);
void text_make(uint64_t id, unsigned event, unsigned size, buf *out); /* plain UTF-8, with characters that JSON escapes */
void json_escape(const char *text, size_t size, buf *out);
/* Decodes the JSON string that begins after its opening quote; returns what follows it, NULL if it is cut or wrong. */
const char *json_unescape(const char *text, const char *end, buf *out);
/* The value of "key" (quotes included) in data: the first character of it, NULL if there is none. */
const char *json_value(const char *data, const char *end, const char *key);

#endif
