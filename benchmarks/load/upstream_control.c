/* The control port of the fake upstream: one command a line, one line of JSON back.
 *
 *   mode ENDPOINT normal|refuse|reset|status:NNN|blackhole [keep|reset|eof|freeze]
 *   stats
 *
 * The last word says what becomes of the streams that are open there: they go on, are reset, end in the middle of the
 * body, or never send another byte. Idle connections of an endpoint that refuses are closed with it. */
#define _GNU_SOURCE
#include "upstream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int fd;
    buf in;
} session;

static session listener, sessions[8];
static int loop;

int control_listen(int epoll) {
    int port = 0;
    loop = epoll;
    listener.fd = listen_on("127.0.0.1", 0, &port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(loop, EPOLL_CTL_ADD, listener.fd, &event);
    for (size_t i = 0; i < LENGTH(sessions); i++) sessions[i].fd = -1;
    return port;
}

int control_owns(const void *who) {
    return who == &listener || (who >= (void *)sessions && who < (void *)(sessions + LENGTH(sessions)));
}

static int mode_of(const char *word, fault_mode *mode, int *status) {
    static const char *const names[] = {"normal", "refuse", "reset", "status", "blackhole"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        size_t size = strlen(names[i]);
        if (strncmp(word, names[i], size)) continue;
        *mode = (fault_mode)i;
        *status = word[size] == ':' ? atoi(word + size + 1) : 500;
        return 1;
    }
    return 0;
}

static int is_committed(const conn *c) { return c->state == STREAMING && c->event > 0; }

/* What becomes of the streams that have sent an event; the others end or are held as the mode has it. Returns how many. */
static unsigned strike(endpoint *e, const char *fate) {
    unsigned committed = 0;
    for (conn *c = e->conns, *after; c; c = after) {
        after = c->after;
        committed += (unsigned)is_committed(c);
        if (c->state == READING) {
            if (e->mode == MODE_REFUSE) conn_close(c, 0);
        } else if (!strcmp(fate, "reset") || !strcmp(fate, "eof")) {
            conn_close(c, *fate == 'r');
        } else if (!strcmp(fate, "freeze")) {
            timer_stop(&c->next);
            c->state = HELD;
        }
    }
    return committed;
}

static void set_mode(char *arguments, buf *reply) {
    int index = -1, status = 500;
    char mode_word[32] = "", fate[16] = "keep";
    fault_mode mode;
    sscanf(arguments, "%d %31s %15s", &index, mode_word, fate);
    if (index < 0 || index >= endpoint_count || !mode_of(mode_word, &mode, &status)) {
        buf_print(reply, "{\"error\": \"mode ENDPOINT MODE [FATE]\"}\n");
        return;
    }
    endpoint *e = &endpoints[index];
    if (mode == MODE_REFUSE && e->fd >= 0) {
        close(e->fd);
        e->fd = -1;
    } else if (mode != MODE_REFUSE && e->fd < 0) {
        endpoint_listen(e);
    }
    e->mode = mode;
    e->status = status;
    unsigned open_calls = e->open_calls, committed = strike(e, fate);
    buf_print(reply, "{\"open\": %u, \"committed\": %u}\n", open_calls, committed);
}

static void stats(buf *reply) {
    buf_print(reply, "{\"endpoints\": [");
    for (int i = 0; i < endpoint_count; i++) {
        const endpoint *e = &endpoints[i];
        buf_print(reply,
                  "%s{\"port\": %d, \"accepted\": %" PRIu64 ", \"requests\": %" PRIu64 ", \"answered\": %" PRIu64
                  ", \"aborted\": %" PRIu64 ", \"changed_prompts\": %" PRIu64 ", \"open\": %u}",
                  i ? ", " : "", e->port, e->accepted, e->requests, e->answered, e->aborted, e->changed_prompts,
                  e->open_calls);
    }
    buf_print(reply, "]}\n");
}

static void obey(session *s, char *line) {
    buf reply = {0};
    if (!strncmp(line, "mode ", 5)) set_mode(line + 5, &reply);
    else if (!strcmp(line, "stats")) stats(&reply);
    else buf_print(&reply, "{\"error\": \"commands: mode, stats\"}\n");
    send(s->fd, buf_at(&reply), buf_len(&reply), MSG_NOSIGNAL);
    buf_free(&reply);
}

static void session_open(void) {
    int fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < LENGTH(sessions); i++) {
        if (sessions[i].fd >= 0) continue;
        sessions[i].fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &sessions[i]};
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
        return;
    }
    if (fd >= 0) close(fd);
}

void control_event(void *who) {
    session *s = who;
    if (s == &listener) {
        session_open();
        return;
    }
    ssize_t got = recv(s->fd, buf_room(&s->in, 1024), 1024, 0);
    if (got <= 0) {
        close(s->fd);
        s->fd = -1;
        buf_drop(&s->in, buf_len(&s->in));
        return;
    }
    s->in.end += (size_t)got;
    for (char *newline; (newline = memchr(buf_at(&s->in), '\n', buf_len(&s->in)));) {
        *newline = 0;
        char *line = buf_at(&s->in);
        buf_drop(&s->in, (size_t)(newline + 1 - line));
        obey(s, line);
    }
}
