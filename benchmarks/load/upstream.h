/* The parts of the fake upstream: the loop (upstream.c), what it says (upstream_answers.c), faults (upstream_control.c). */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "script.h"
#include "wire.h"

#define MAX_ENDPOINTS 64

typedef enum { MODE_NORMAL, MODE_REFUSE, MODE_RESET, MODE_STATUS, MODE_BLACKHOLE } fault_mode;
typedef enum { READING, WAITING, STREAMING, HELD } conn_state;

typedef struct conn conn;

typedef struct {
    int fd, port;
    fault_mode mode;
    int status;          /* what MODE_STATUS answers */
    conn *conns;
    unsigned open_calls; /* requests taken and not yet answered to the end */
    uint64_t accepted, requests, answered, aborted, changed_prompts;
} endpoint;

struct conn {
    int fd, is_closed, is_blocked, is_post, is_stream, wants_usage;
    conn_state state;
    endpoint *endpoint;
    buf in, body, out;   /* body: of a chunked request */
    head head;
    chunked chunks;
    script script;
    unsigned event;      /* the next one to send */
    timer next;
    conn *after, **self; /* in the endpoint's list */
};

extern endpoint endpoints[MAX_ENDPOINTS];
extern int endpoint_count;

void endpoint_listen(endpoint *e);
void conn_close(conn *c, int is_reset);

/* Each writes to c->out; nothing is sent here. */
void stream_begin(conn *c);
void stream_event(conn *c, uint64_t now);
void stream_end(conn *c);
void whole_answer(conn *c);
void answer_models(conn *c);
void answer_error(conn *c, int status, const char *message);
int request_read(conn *c, const char *body, size_t size); /* 0: the prompt is not the one that the client sent */

int control_listen(int epoll);
int control_owns(const void *who);
void control_event(void *who);

#endif
