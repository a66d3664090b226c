/* A fake OpenAI-compatible provider: one thread, epoll, far cheaper than what it measures.
 *
 * Each listener is an endpoint that can be made to fail while it runs (see upstream_control.c). A call says in its own
 * `user` field how fast it wants to be answered (script.h); every event carries the time at which it was sent. */
#define _GNU_SOURCE
#include "upstream.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

endpoint endpoints[MAX_ENDPOINTS];
int endpoint_count = 1;
static int epoll;
static conn *closed; /* freed after the batch of events that may still name them */
static const script DEFAULT = {.events = 16, .first_us = 20000, .interval_us = 20000, .text_size = 20};

/* ---- connections */

void conn_close(conn *c, int is_reset) {
    if (c->is_closed) return;
    if (is_reset) close_with_reset(c->fd);
    else close(c->fd);
    timer_stop(&c->next);
    if (c->state != READING) c->endpoint->open_calls--;
    *c->self = c->after;
    if (c->after) c->after->self = c->self;
    c->is_closed = 1;
    c->after = closed;
    closed = c;
}

static void free_closed(void) {
    for (conn *c; (c = closed); free(c)) {
        closed = c->after;
        buf_free(&c->in);
        buf_free(&c->body);
        buf_free(&c->out);
    }
}

static void watch(conn *c, int is_blocked) {
    if (c->is_blocked == is_blocked) return;
    c->is_blocked = is_blocked;
    struct epoll_event event = {.events = EPOLLIN | (is_blocked ? EPOLLOUT : 0u), .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* Sends what is waiting; 0 when the peer takes no more now or is gone. */
static int flush(conn *c) {
    while (buf_len(&c->out)) {
        ssize_t sent = send(c->fd, buf_at(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
        if (sent > 0) {
            buf_drop(&c->out, (size_t)sent);
        } else if (errno == EAGAIN) {
            watch(c, 1);
            return 0;
        } else {
            conn_close(c, 0);
            return 0;
        }
    }
    watch(c, 0);
    return 1;
}

static void accept_all(endpoint *e) {
    for (int fd; (fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        conn *c = must_alloc(1, sizeof *c);
        c->fd = fd;
        c->endpoint = e;
        c->next.owner = c;
        c->after = e->conns;
        c->self = &e->conns;
        if (c->after) c->after->self = &c->after;
        e->conns = c;
        e->accepted++;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

void endpoint_listen(endpoint *e) {
    e->fd = listen_on("127.0.0.1", e->port, &e->port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
    epoll_ctl(epoll, EPOLL_CTL_ADD, e->fd, &event);
}

/* ---- answers */

static void answer_ended(conn *c) {
    c->state = READING;
    c->endpoint->open_calls--;
    c->endpoint->answered++;
}

/* Sends the next parts of a stream that are due. Every part is a send of its own. */
static void stream_pump(conn *c) {
    uint64_t now = now_ns();
    while (c->state == STREAMING && !buf_len(&c->out) && c->next.due <= now) {
        if (c->event < c->script.events) {
            stream_event(c, now_ns());
            /* An upstream that was not scheduled in time must not send two events at once to catch up. */
            uint64_t interval = c->script.interval_us * 1000ull, soonest = now_ns() + interval / 2;
            c->next.due += interval;
            if (interval && c->next.due < soonest) c->next.due = soonest;
        } else {
            stream_end(c);
            answer_ended(c);
        }
        if (!flush(c)) return;
    }
    if (c->state == STREAMING) timer_set(&c->next, c->next.due);
}

static void on_timer(conn *c) {
    if (c->state == STREAMING) {
        stream_pump(c);
    } else {
        whole_answer(c);
        answer_ended(c);
        flush(c);
    }
}

static void answer_normally(conn *c, const char *body, size_t size) {
    c->script = DEFAULT;
    if (!request_read(c, body, size)) {
        c->endpoint->changed_prompts++;
        answer_error(c, 400, "the prompt is not what the client sent");
        answer_ended(c);
        return;
    }
    c->state = c->is_stream ? STREAMING : WAITING;
    c->event = 0;
    c->next.due = now_ns() + c->script.first_us * 1000ull;
    if (c->state == STREAMING) stream_begin(c);
    else if (!c->script.first_us) on_timer(c);
    if (c->state != READING) timer_set(&c->next, c->next.due);
}

static void answer(conn *c, const char *body, size_t size) {
    endpoint *e = c->endpoint;
    e->requests++;
    e->open_calls++;
    c->state = WAITING;
    switch (e->mode) {
    case MODE_NORMAL:
        if (!c->is_post) answer_models(c);
        if (!c->is_post) answer_ended(c);
        else answer_normally(c, body, size);
        break;
    case MODE_STATUS:
        answer_error(c, e->status, "this endpoint was told to fail");
        answer_ended(c);
        break;
    case MODE_RESET: /* one call dies before any byte, the next one after the head and the role */
        if (e->requests & 1) stream_begin(c);
        if (flush(c)) conn_close(c, 1);
        return;
    default: /* black hole: it stays open and says nothing */
        c->state = HELD;
    }
    flush(c);
}

/* ---- requests */

/* Takes one whole request out of c->in. 1 answered, 0 more to come, -1 not HTTP. */
static int take_request(conn *c) {
    if (!c->head.size) {
        int found = head_parse(buf_at(&c->in), buf_len(&c->in), &c->head);
        if (found <= 0) return found;
        c->is_post = buf_at(&c->in)[0] == 'P';
        buf_drop(&c->in, c->head.size);
    }
    if (c->head.is_chunked) {
        while (c->chunks.state != CHUNK_FINISHED && buf_len(&c->in)) {
            const char *piece;
            size_t size;
            ssize_t eaten = chunked_eat(&c->chunks, buf_at(&c->in), buf_len(&c->in), &piece, &size);
            if (eaten < 0) return -1;
            if (size) buf_add(&c->body, piece, size);
            buf_drop(&c->in, (size_t)eaten);
        }
        if (c->chunks.state != CHUNK_FINISHED) return 0;
        c->head.size = 0;
        answer(c, buf_at(&c->body), buf_len(&c->body));
        if (!c->is_closed) buf_drop(&c->body, buf_len(&c->body));
        memset(&c->chunks, 0, sizeof c->chunks);
        return 1;
    }
    size_t size = c->head.length > 0 ? (size_t)c->head.length : 0;
    if (buf_len(&c->in) < size) return 0;
    c->head.size = 0;
    answer(c, buf_at(&c->in), size);
    buf_drop(&c->in, size);
    return 1;
}

static void on_readable(conn *c) {
    for (;;) {
        char *room = buf_room(&c->in, 65536);
        ssize_t got = recv(c->fd, room, 65536, 0);
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) {
            if (c->state != READING) c->endpoint->aborted++;
            conn_close(c, 0);
            return;
        }
        c->in.end += (size_t)got;
        if (got < 65536) break;
    }
    while (!c->is_closed && c->state == READING && buf_len(&c->in)) {
        int taken = take_request(c);
        if (taken < 0) conn_close(c, 1);
        if (taken <= 0) return;
    }
}

static void on_writable(conn *c) {
    if (flush(c) && c->state == STREAMING) stream_pump(c);
}

/* ---- the loop */

static void dispatch(struct epoll_event *event) {
    void *who = event->data.ptr;
    if (control_owns(who)) {
        control_event(who);
    } else if (who >= (void *)endpoints && who < (void *)(endpoints + MAX_ENDPOINTS)) {
        accept_all(who);
    } else {
        conn *c = who;
        if (!c->is_closed && event->events & EPOLLOUT) on_writable(c);
        if (!c->is_closed && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
    }
}

static void options(int argc, char **argv) {
    static const struct option known[] = {{"port", 1, 0, 'p'}, {"endpoints", 1, 0, 'e'}, {0, 0, 0, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'p') endpoints[0].port = atoi(optarg);
        else if (option == 'e') endpoint_count = atoi(optarg);
        else exit(2);
    }
    if (endpoint_count < 1 || endpoint_count > MAX_ENDPOINTS) {
        fprintf(stderr, "--endpoints: 1 to %d\n", MAX_ENDPOINTS);
        exit(2);
    }
}

int main(int argc, char **argv) {
    options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* never outlive the run that started it */
    prctl(PR_SET_TIMERSLACK, 1);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int control_port = control_listen(epoll);
    for (int i = 0; i < endpoint_count; i++) endpoint_listen(&endpoints[i]);
    printf("{\"control\": %d, \"ports\": [", control_port);
    for (int i = 0; i < endpoint_count; i++) printf("%s%d", i ? ", " : "", endpoints[i].port);
    puts("]}");
    fflush(stdout);
    for (struct epoll_event events[256];;) {
        timer *first = timer_first();
        int count = wait_events(epoll, events, 256, first ? first->due : UINT64_MAX);
        for (int i = 0; i < count; i++) dispatch(&events[i]);
        uint64_t now = now_ns();
        while ((first = timer_first()) && first->due <= now) {
            timer_stop(first);
            on_timer(first->owner);
        }
        free_closed();
    }
}
