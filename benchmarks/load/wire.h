/* What upstream and client share: time, byte buffers, sockets, HTTP/1.1 heads and chunked bodies. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef struct {
    char *data;
    size_t start, end, size; /* the bytes are data[start..end) */
} buf;

typedef struct {
    int status;      /* of an answer; 0 for a request */
    int is_chunked;
    int is_close;    /* Connection: close */
    int64_t length;  /* Content-Length, -1 when there is none */
    size_t size;     /* bytes of the head, blank line included */
} head;

typedef enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_FINISHED } chunk_state;

typedef struct {
    chunk_state state;
    uint64_t left;     /* bytes of this chunk that are still to come */
    size_t line_size;  /* of the trailer line being read */
} chunked;

typedef struct timer {
    uint64_t due;      /* CLOCK_MONOTONIC, nanoseconds */
    size_t position;   /* in the heap, from 1; 0 = not set */
    void *owner;
} timer;

uint64_t now_ns(void);
void die(const char *what);
void *must_alloc(size_t count, size_t size);

static inline size_t buf_len(const buf *b) { return b->end - b->start; }
static inline char *buf_at(const buf *b) { return b->data + b->start; }
char *buf_room(buf *b, size_t wanted); /* where at least `wanted` bytes may be written; then add to b->end */
void buf_add(buf *b, const void *data, size_t size);
void buf_print(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(buf *b, size_t size);
void buf_free(buf *b);

int head_parse(const char *data, size_t size, head *out);  /* 1 whole, 0 more to come, -1 not HTTP */
/* Eats some of data; *piece is body text that it held, if any. Returns the bytes eaten, -1 if it is no chunked body. */
ssize_t chunked_eat(chunked *c, const char *data, size_t size, const char **piece, size_t *piece_size);

int listen_on(const char *host, int port, int *bound_port);
int connect_to(const char *host, int port);
void close_with_reset(int fd);

void timer_set(timer *t, uint64_t due);
void timer_stop(timer *t);
timer *timer_first(void);
int wait_events(int epoll, void *events, int limit, uint64_t until); /* until: ns, UINT64_MAX = for ever */

#endif
