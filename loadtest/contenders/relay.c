/* A byte relay: relay PORT ORIGIN_PORT. One thread, level-triggered epoll, one origin connection for each client.
 * It reads nothing of what it moves, so it is the floor for any proxy on this machine's kernel.
 * What a side cannot take at once waits in a buffer, and the other side is not read until it is gone. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 * 1024, EVENTS = 256, BACKLOG = 1024 };

struct side {
    int fd, dead;
    struct side *peer;
    size_t owed, sent; /* bytes in buffer that this side must still be given, and how many of them it has */
    struct side *next_dead;
    char buffer[BUFFER_BYTES];
};

static int epoll_fd;
static struct side *graveyard; /* freed after the batch of events that may still name them */

static void watch(struct side *s, int op, unsigned events) {
    struct epoll_event e = {.events = events, .data.ptr = s};
    epoll_ctl(epoll_fd, op, s->fd, &e);
}

static void bury(struct side *s) {
    if (!s || s->dead) return;
    s->dead = 1;
    close(s->fd);
    s->next_dead = graveyard;
    graveyard = s;
    bury(s->peer);
}

/* Give s what it is owed. 0: all gone; 1: some waits; -1: s is broken. */
static int give(struct side *s) {
    while (s->sent < s->owed) {
        ssize_t n = send(s->fd, s->buffer + s->sent, s->owed - s->sent, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == ENOTCONN ? 1 : -1;
        s->sent += (size_t)n;
    }
    s->owed = s->sent = 0;
    return 0;
}

static void readable(struct side *s) {
    struct side *to = s->peer;
    if (to->owed) return;
    ssize_t n = recv(s->fd, to->buffer, BUFFER_BYTES, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { bury(s); return; }
    to->owed = (size_t)n;
    int left = give(to);
    if (left < 0) bury(s);
    else if (left) { watch(to, EPOLL_CTL_MOD, EPOLLOUT); watch(s, EPOLL_CTL_MOD, 0); }
}

static void writable(struct side *s) {
    int left = give(s);
    if (left < 0) bury(s);
    else if (!left) { watch(s, EPOLL_CTL_MOD, EPOLLIN); watch(s->peer, EPOLL_CTL_MOD, EPOLLIN); }
}

static struct side *side(int fd) {
    struct side *s = calloc(1, sizeof *s);
    int one = 1;
    if (!s) exit(3);
    s->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return s;
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void welcome(int listener, struct sockaddr_in *origin) {
    int fd;
    while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
        int up = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (up < 0 || (connect(up, (void *)origin, sizeof *origin) < 0 && errno != EINPROGRESS)) {
            close(fd);
            if (up >= 0) close(up);
            continue;
        }
        struct side *c = side(fd), *o = side(up);
        c->peer = o;
        o->peer = c;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
        watch(o, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct sockaddr_in here = loopback(atoi(argv[1])), origin = loopback(atoi(argv[2]));
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&here, sizeof here) < 0 || listen(listener, BACKLOG) < 0) return 1;
    epoll_fd = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0}, events[EVENTS];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct side *s = events[i].data.ptr;
            if (!s) { welcome(listener, &origin); continue; }
            if (!s->dead && events[i].events & EPOLLOUT) writable(s);
            if (!s->dead && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(s);
        }
        while (graveyard) {
            struct side *s = graveyard;
            graveyard = s->next_dead;
            free(s);
        }
    }
}
