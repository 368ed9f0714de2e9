// Many connections at once, of both sides, in one thread with epoll. `many CONNECTIONS MILLISECONDS`: that many in parallel,
// again and again until the time is over, at least once. With -DRAW every call on a socket is made by its number.

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef RAW
#define socket(domain, type, protocol) syscall(SYS_socket, domain, type, protocol)
#define bind(fd, address, len) syscall(SYS_bind, fd, address, len)
#define listen(fd, backlog) syscall(SYS_listen, fd, backlog)
#define accept4(fd, address, len, flags) syscall(SYS_accept4, fd, address, len, flags)
#define connect(fd, address, len) syscall(SYS_connect, fd, address, len)
#define getsockname(fd, address, len) syscall(SYS_getsockname, fd, address, len)
#define getsockopt(fd, level, name, value, len) syscall(SYS_getsockopt, fd, level, name, value, len)
#define setsockopt(fd, level, name, value, len) syscall(SYS_setsockopt, fd, level, name, value, len)
#define read(fd, text, len) syscall(SYS_read, fd, text, len)
#define write(fd, text, len) syscall(SYS_write, fd, text, len)
#define close(fd) syscall(SYS_close, fd)
#endif

enum { ROUNDS = 10, LEN = 700 };

struct side {
    int fd;
    int number; // of a client, -1 for what was accepted
    int rounds; // that are complete
    int have;   // octets of this one
    char text[LEN];
};

static int poller, open_clients;
static long echoed;

static long must(long result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
        exit(1);
    }
    return result;
}

static void watch(int fd, void *side, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = side};
    must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static struct side *side_of(int fd, int number) {
    struct side *side = calloc(1, sizeof *side);
    side->fd = fd;
    side->number = number;
    return side;
}

static void fill(struct side *side) {
    for (int i = 0; i < LEN; i++)
        side->text[i] = side->number + 3 * side->rounds + i;
}

static void done(struct side *side) {
    close(side->fd);
    free(side);
}

static void send_round(struct side *side) {
    fill(side);
    if (must(write(side->fd, side->text, LEN), "write") != LEN)
        exit(2);
}

// A client's answer; true when it was the last.
static int on_answer(struct side *side) {
    char text[LEN];
    long len = must(read(side->fd, text, LEN - side->have), "read");
    if (len == 0 || memcmp(text, side->text + side->have, len))
        exit(3);
    side->have += len;
    if (side->have < LEN)
        return 0;
    echoed++;
    side->have = 0;
    if (++side->rounds == ROUNDS)
        return 1;
    send_round(side);
    return 0;
}

// What a server has accepted; true at the end.
static int on_question(struct side *side) {
    char text[LEN];
    long len = read(side->fd, text, LEN);
    if (len <= 0)
        return 1;
    return must(write(side->fd, text, len), "echo") != len;
}

static void on_event(struct side *side, unsigned events) {
    if (side->number < 0) {
        if (on_question(side))
            done(side);
        return;
    }
    if (side->rounds == 0 && side->have == 0 && events & EPOLLOUT && !(events & EPOLLIN)) {
        int error = 0;
        socklen_t len = sizeof error;
        must(getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &error, &len), "SO_ERROR");
        errno = error;
        must(-error, "connect");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
        must(epoll_ctl(poller, EPOLL_CTL_MOD, side->fd, &event), "epoll_ctl");
        send_round(side);
    } else if (on_answer(side)) {
        // No TIME-WAIT, or there would be no ports left.
        struct linger none = {.l_onoff = 1};
        must(setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), "SO_LINGER");
        done(side);
        open_clients--;
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    int count = argc == 3 ? atoi(argv[1]) : 0;
    double until = now() + (argc == 3 ? atoi(argv[2]) : 0);
    alarm(60);
    poller = must(epoll_create1(0), "epoll_create1");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int server = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    must(bind(server, (struct sockaddr *)&address, len), "bind");
    must(listen(server, count), "listen");
    must(getsockname(server, (struct sockaddr *)&address, &len), "getsockname");
    watch(server, NULL, EPOLLIN);
    long all = 0;
    do {
        for (open_clients = 0; open_clients < count; open_clients++, all++) {
            int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
            if (connect(fd, (struct sockaddr *)&address, len) < 0 && errno != EINPROGRESS)
                must(-1, "connect");
            watch(fd, side_of(fd, open_clients), EPOLLOUT);
        }
        while (open_clients > 0) {
            struct epoll_event events[64];
            int ready = must(epoll_wait(poller, events, 64, 20000), "epoll_wait");
            if (ready == 0)
                exit(4);
            for (int i = 0; i < ready; i++) {
                if (events[i].data.ptr) {
                    on_event(events[i].data.ptr, events[i].events);
                    continue;
                }
                int fd;
                while ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                    watch(fd, side_of(fd, -1), EPOLLIN);
            }
        }
    } while (now() < until);
    printf("%s\n", echoed == all * ROUNDS ? "all came back" : "some were lost");
    fprintf(stderr, "%ld connections\n", all);
    return 0;
}
