/* A load client: one thread, epoll; closed loop or a fixed rate; every body is compared with what must have been sent.
 *
 * At a fixed rate a call's clock starts when it was due, not when a connection was free for it. The result is one JSON
 * object on stdout; the exit code is 0 when the run took place, whatever became of its calls. */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_NS 100000000u /* the longest sleep: a signal or the end of the run is seen within it */

typedef enum { CONNECTING, IDLE, BUSY, PAUSED } client_state;

typedef struct {
    int fd;
    client_state state;
    int is_blocked;
    buf out;
    answer answer;
    timer wake; /* of a pause after a failure */
} conn;

static settings set;
static tally result;
static conn *conns;
static conn **idle;
static size_t idle_count, busy_count, connecting_count;
static int epoll, is_over;
static uint64_t begin_at, end_at, calls, last_done_at;

/* ---- when calls are due */

static uint64_t due_at(uint64_t call) {
    if (set.rate > 0) return begin_at + (uint64_t)((double)call * 1e9 / set.rate);
    if (call < set.connections) return begin_at + call * set.ramp_ms * 1000000ull / set.connections;
    return 0;
}

static int is_call_left(void) {
    uint64_t due = due_at(calls);
    return begin_at && !is_over && (!set.calls || calls < set.calls) && (due ? due : now_ns()) < end_at;
}

/* ---- connections */

static void watch(conn *c, int how, int is_blocked) {
    c->is_blocked = is_blocked;
    struct epoll_event event = {.events = EPOLLIN | (is_blocked ? EPOLLOUT : 0u), .data.ptr = c};
    epoll_ctl(epoll, how, c->fd, &event);
}

static void pause_conn(conn *c) {
    c->state = PAUSED;
    timer_set(&c->wake, now_ns() + 50000000u);
}

static void conn_open(conn *c) {
    c->fd = connect_to(set.host, set.port);
    buf_drop(&c->out, buf_len(&c->out));
    if (c->fd < 0) {
        pause_conn(c);
        return;
    }
    c->state = CONNECTING;
    connecting_count++;
    watch(c, EPOLL_CTL_ADD, 1);
}

static void flush(conn *c) {
    while (buf_len(&c->out)) {
        ssize_t sent = send(c->fd, buf_at(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
        if (sent <= 0) break; /* what is wrong shows when it is read */
        buf_drop(&c->out, (size_t)sent);
    }
    int is_blocked = buf_len(&c->out) > 0;
    if (is_blocked != c->is_blocked) watch(c, EPOLL_CTL_MOD, is_blocked);
}

static void call_begin(conn *c) {
    uint64_t due = due_at(calls);
    c->answer.intended_at = due ? due : now_ns();
    c->answer.is_stream = set.is_stream;
    c->answer.wants_usage = set.is_stream && set.wants_usage;
    request_make(calls++, &c->answer.script, &c->out);
    answer_begin(&c->answer, &result);
    c->state = BUSY;
    busy_count++;
    flush(c);
}

static void conn_ready(conn *c) {
    c->state = IDLE;
    if (is_call_left() && due_at(calls) <= now_ns()) call_begin(c);
    else idle[idle_count++] = c;
}

static void idle_forget(conn *c) {
    for (size_t i = 0; i < idle_count; i++)
        if (idle[i] == c) idle[i] = idle[--idle_count];
}

static void call_end(conn *c, int is_complete) {
    uint64_t now = now_ns();
    int is_lost = !is_complete || c->answer.head.is_close;
    outcome how = answer_end(&c->answer, is_complete, now, &result);
    busy_count--;
    last_done_at = now;
    if (is_lost) close(c->fd);
    if (is_lost && how == DONE) conn_open(c);
    else if (is_lost) c->fd = -1, pause_conn(c);
    else if (how == FAILED_BEFORE_COMMIT) pause_conn(c);
    else conn_ready(c);
}

static void conn_lost(conn *c) {
    if (c->state == BUSY) {
        call_end(c, 0);
        return;
    }
    if (c->state == CONNECTING) connecting_count--;
    if (c->state == CONNECTING && begin_at) result.broken++;
    if (c->state == IDLE) idle_forget(c);
    timer_stop(&c->wake);
    close(c->fd);
    c->fd = -1;
    pause_conn(c);
}

static void on_connected(conn *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        conn_lost(c);
        return;
    }
    connecting_count--;
    result.connections++;
    watch(c, EPOLL_CTL_MOD, 0);
    conn_ready(c);
}

static void on_readable(conn *c) {
    static char data[262144];
    ssize_t size = recv(c->fd, data, sizeof data, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0 || c->state != BUSY) {
        conn_lost(c);
        return;
    }
    int fed = answer_feed(&c->answer, data, (size_t)size, now_ns(), &result);
    if (fed) call_end(c, fed > 0);
}

static void on_wake(conn *c) {
    if (c->fd < 0) conn_open(c);
    else conn_ready(c);
}

/* ---- the loop */

static void start_due_calls(uint64_t now) {
    while (idle_count && is_call_left() && due_at(calls) <= now) call_begin(idle[--idle_count]);
}

static void turn(uint64_t until) {
    struct epoll_event events[256];
    timer *first = timer_first();
    if (first && first->due < until) until = first->due;
    if (idle_count && is_call_left() && due_at(calls) < until) until = due_at(calls);
    int count = wait_events(epoll, events, 256, until);
    for (int i = 0; i < count; i++) {
        conn *c = events[i].data.ptr;
        if (c->state == CONNECTING) {
            on_connected(c);
            continue;
        }
        if (events[i].events & EPOLLOUT) flush(c);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
    }
    uint64_t now = now_ns();
    while ((first = timer_first()) && first->due <= now) {
        timer_stop(first);
        on_wake(first->owner);
    }
    start_due_calls(now);
}

/* Every connection stands before the clock starts: what is measured is calls, not handshakes. */
static void open_all(void) {
    uint64_t give_up_at = now_ns() + 20000000000u;
    for (size_t i = 0; i < set.connections; i++) {
        conns[i].wake.owner = &conns[i];
        conn_open(&conns[i]);
        while (connecting_count >= 512 && now_ns() < give_up_at) turn(give_up_at);
    }
    while (idle_count < set.connections && now_ns() < give_up_at) turn(give_up_at);
    if (idle_count < set.connections) {
        fprintf(stderr, "only %zu of %u connections could be opened\n", idle_count, set.connections);
        exit(2);
    }
}

static void on_signal(int signal_number) {
    (void)signal_number;
    is_over = 1;
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    settings_read(argc, argv, &set);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    conns = must_alloc(set.connections, sizeof *conns);
    idle = must_alloc(set.connections, sizeof(conn *));
    requests_prepare(&set);
    open_all();
    double cpu_before = cpu_s();
    uint64_t now = now_ns(), drain_until;
    begin_at = now + 1000000u;
    end_at = begin_at + (uint64_t)(set.duration_s * 1e9);
    drain_until = end_at + (uint64_t)(set.drain_s * 1e9);
    while (!is_over && now_ns() < drain_until && (is_call_left() || (busy_count && now_ns() < end_at))) turn(now_ns() + TICK_NS);
    is_over = 1;
    if (set.calls) drain_until = now_ns() + (uint64_t)(set.drain_s * 1e9);
    while (busy_count && now_ns() < drain_until) turn(now_ns() + TICK_NS);
    now = now_ns();
    for (size_t i = 0; i < set.connections; i++)
        if (conns[i].state == BUSY) answer_end(&conns[i].answer, 0, now, &result);
    if (!last_done_at) last_done_at = now;
    uint64_t stop_at = end_at < last_done_at ? end_at : last_done_at;
    tally_print(&result, (double)(stop_at - begin_at) / 1e9, (double)(last_done_at - begin_at) / 1e9, cpu_s() - cpu_before);
    return 0;
}
