#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void die(const char *what) {
    perror(what);
    exit(2);
}

void *must_alloc(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) die("calloc");
    return memory;
}

/* ---- buffers */

char *buf_room(buf *b, size_t wanted) {
    if (b->start == b->end) b->start = b->end = 0;
    if (b->size - b->end >= wanted) return b->data + b->end;
    if (b->start) {
        memmove(b->data, b->data + b->start, buf_len(b));
        b->end -= b->start;
        b->start = 0;
    }
    if (b->size - b->end < wanted) {
        b->size = (b->end + wanted) * 2;
        b->data = realloc(b->data, b->size);
        if (!b->data) die("realloc");
    }
    return b->data + b->end;
}

void buf_add(buf *b, const void *data, size_t size) {
    memcpy(buf_room(b, size), data, size);
    b->end += size;
}

void buf_print(buf *b, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = 1024, wanted = (size_t)vsnprintf(buf_room(b, room), room, format, arguments);
    if (wanted >= room) vsnprintf(buf_room(b, wanted + 1), wanted + 1, format, again);
    b->end += wanted;
    va_end(arguments);
    va_end(again);
}

void buf_drop(buf *b, size_t size) { b->start += size; }

void buf_free(buf *b) {
    free(b->data);
    memset(b, 0, sizeof *b);
}

/* ---- HTTP/1.1 */

static int is_field(const char *line, size_t size, const char *name, const char **value) {
    size_t name_size = strlen(name);
    if (size <= name_size || line[name_size] != ':' || strncasecmp(line, name, name_size)) return 0;
    *value = line + name_size + 1;
    while (**value == ' ') ++*value;
    return 1;
}

int head_parse(const char *data, size_t size, head *out) {
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return size > 65536 ? -1 : 0;
    memset(out, 0, sizeof *out);
    out->length = -1;
    out->size = (size_t)(end - data) + 4;
    if (!strncmp(data, "HTTP/1.", 7)) out->status = atoi(data + 9);
    const char *value, *line = memchr(data, '\n', size);
    for (++line; line < end + 2; line = (const char *)memchr(line, '\n', size) + 1) {
        size_t left = (size_t)(end - line) + 2;
        if (is_field(line, left, "content-length", &value)) out->length = atoll(value);
        else if (is_field(line, left, "transfer-encoding", &value)) out->is_chunked = !strncasecmp(value, "chunked", 7);
        else if (is_field(line, left, "connection", &value)) out->is_close = !strncasecmp(value, "close", 5);
    }
    return 1;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of framing. */
static int chunked_step(chunked *c, char byte) {
    switch (c->state) {
    case CHUNK_SIZE:
        if (hex_digit(byte) >= 0) c->left = c->left * 16 + (uint64_t)hex_digit(byte);
        else if (byte == '\r' || byte == ';') c->state = CHUNK_EXTENSION;
        else return -1;
        return 0;
    case CHUNK_EXTENSION:
        if (byte == '\n') c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
        return 0;
    case CHUNK_DATA_END:
        if (byte == '\n') c->state = CHUNK_SIZE;
        return byte == '\n' || byte == '\r' ? 0 : -1;
    case CHUNK_TRAILER:
        if (byte == '\n' && !c->line_size) c->state = CHUNK_FINISHED;
        else if (byte == '\n') c->line_size = 0;
        else if (byte != '\r') ++c->line_size;
        return 0;
    default:
        return -1;
    }
}

ssize_t chunked_eat(chunked *c, const char *data, size_t size, const char **piece, size_t *piece_size) {
    size_t eaten = 0;
    *piece_size = 0;
    while (eaten < size && c->state != CHUNK_FINISHED) {
        if (c->state == CHUNK_DATA) {
            *piece = data + eaten;
            *piece_size = size - eaten < c->left ? size - eaten : (size_t)c->left;
            c->left -= *piece_size;
            if (!c->left) c->state = CHUNK_DATA_END;
            return (ssize_t)(eaten + *piece_size);
        }
        if (chunked_step(c, data[eaten++])) return -1;
    }
    return (ssize_t)eaten;
}

/* ---- sockets */

static struct sockaddr_in address_of(const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "not an IPv4 address: %s\n", host);
        exit(2);
    }
    return address;
}

int listen_on(const char *host, int port, int *bound_port) {
    struct sockaddr_in address = address_of(host, port);
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* what it accepts inherits this */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 16384)) die("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &size)) die("getsockname");
    *bound_port = ntohs(address.sin_port);
    return fd;
}

int connect_to(const char *host, int port) {
    struct sockaddr_in address = address_of(host, port);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

void close_with_reset(int fd) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

/* ---- timers: one binary heap, the earliest at 1 */

static timer **heap;
static size_t heap_count, heap_size;

static void heap_put(timer *t, size_t position) {
    heap[position] = t;
    t->position = position;
}

static void heap_up(timer *t, size_t at) {
    for (; at > 1 && heap[at / 2]->due > t->due; at /= 2) heap_put(heap[at / 2], at);
    heap_put(t, at);
}

static void heap_down(timer *t, size_t at) {
    for (size_t child; (child = at * 2) <= heap_count; at = child) {
        if (child < heap_count && heap[child + 1]->due < heap[child]->due) ++child;
        if (heap[child]->due >= t->due) break;
        heap_put(heap[child], at);
    }
    heap_put(t, at);
}

void timer_stop(timer *t) {
    if (!t->position) return;
    timer *last = heap[heap_count--];
    size_t hole = t->position;
    t->position = 0;
    if (last == t) return;
    if (hole > 1 && heap[hole / 2]->due > last->due) heap_up(last, hole);
    else heap_down(last, hole);
}

void timer_set(timer *t, uint64_t due) {
    timer_stop(t);
    t->due = due;
    if (heap_count + 2 > heap_size) {
        heap_size = heap_size ? heap_size * 2 : 1024;
        heap = realloc(heap, heap_size * sizeof *heap);
        if (!heap) die("realloc");
    }
    heap_up(t, ++heap_count);
}

timer *timer_first(void) { return heap_count ? heap[1] : NULL; }

int wait_events(int epoll, void *events, int limit, uint64_t until) {
    uint64_t now = now_ns(), left = until > now ? until - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
    int count = epoll_pwait2(epoll, events, limit, until == UINT64_MAX ? NULL : &timeout, NULL);
    if (count < 0 && errno != EINTR) die("epoll_pwait2");
    return count < 0 ? 0 : count;
}
