/* The parts of the load client: the loop (client.c), and what it asks (requests.c). */
#ifndef CLIENT_H
#define CLIENT_H

#include "answer.h"

typedef struct {
    const char *host, *path;
    int port;
    unsigned connections;
    double rate;               /* calls a second; 0 = each connection as fast as it is answered */
    double duration_s, drain_s;
    uint64_t calls;            /* stop after so many; 0 = by time */
    unsigned ramp_ms;          /* the first calls of a closed loop are spread over this */
    int is_stream, wants_usage;
    unsigned events, first_us, interval_us, text_size;
    unsigned body_size, bodies, model_count;
    const char *model;         /* with %u in it, the number of the model */
    const char *keys_file;     /* a key a line */
    const char *header;        /* one more line of every head */
    int is_script_message;     /* the script goes in a message: for gateways that drop `user` */
    uint64_t seed;
} settings;

void settings_read(int argc, char **argv, settings *out);
void requests_prepare(const settings *s);
/* Writes one whole request; no two calls are alike. */
void request_make(uint64_t call, script *script_out, buf *out);

#endif
