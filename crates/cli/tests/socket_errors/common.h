// What the programs of socket_errors.rs share: lines that say what a call gave, addresses, connections, and sections.
//
// A line is the same on every stack: no descriptor, no time, no port that was chosen by the system.

#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Prints whether a call succeeded, or its errno.
#define SAY(what, call)                                                        \
    do {                                                                       \
        errno = 0;                                                             \
        long result_ = (long)(call);                                           \
        printf("%s: %s\n", what, result_ < 0 ? strerrorname_np(errno) : "ok"); \
    } while (0)

// Prints the number that a call gave, or its errno.
#define COUNT(what, call)                                      \
    do {                                                       \
        errno = 0;                                             \
        long result_ = (long)(call);                           \
        if (result_ < 0)                                       \
            printf("%s: %s\n", what, strerrorname_np(errno));  \
        else                                                   \
            printf("%s: %ld\n", what, result_);                \
    } while (0)

// What the section cannot do without.
#define MUST(call)                                                         \
    ({                                                                     \
        long result_ = (long)(call);                                       \
        if (result_ < 0) {                                                 \
            printf("%s: %s\n", #call, strerrorname_np(errno));             \
            exit(1);                                                       \
        }                                                                  \
        (int)result_;                                                      \
    })

// An address of either family.
struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

// How calls take it: two arguments.
#define OF(it) (const struct sockaddr *)(struct address[]){it}, (struct address[]){it}->len

static inline struct address at(const char *text, int port) {
    struct address address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address.len = sizeof *v4;
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address.len = sizeof *v6;
    } else {
        exit(3);
    }
    return address;
}

static inline int tcp(int family) { return MUST(socket(family, SOCK_STREAM, 0)); }
static inline int udp(int family) { return MUST(socket(family, SOCK_DGRAM, 0)); }

static inline void set(int fd, int level, int name, int value) {
    MUST(setsockopt(fd, level, name, &value, sizeof value));
}

static inline int option(int fd, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    MUST(getsockopt(fd, level, name, &value, &len));
    return value;
}

static inline void set_blocking(int fd, bool blocks) {
    int flags = MUST(fcntl(fd, F_GETFL));
    MUST(fcntl(fd, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

static inline int port_of(int fd) {
    struct sockaddr_storage storage;
    socklen_t len = sizeof storage;
    MUST(getsockname(fd, (struct sockaddr *)&storage, &len));
    return ntohs(((struct sockaddr_in *)&storage)->sin_port);
}

static inline int listener(const char *text, int port) {
    struct address address = at(text, port);
    int fd = tcp(address.storage.ss_family);
    MUST(bind(fd, OF(address)));
    MUST(listen(fd, 16));
    return fd;
}

static inline int client_of(int server) {
    int fd = tcp(AF_INET);
    MUST(connect(fd, OF(at("127.0.0.1", port_of(server)))));
    return fd;
}

// A connection: the side that connected, and the side that was accepted.
static inline void pair(int sides[2]) {
    int server = listener("127.0.0.1", 0);
    sides[0] = client_of(server);
    sides[1] = MUST(accept(server, NULL, NULL));
    close(server);
}

// Waits until poll says one of these events, five seconds at most; what it says.
static inline int wait_for(int fd, short events) {
    struct pollfd entry = {.fd = fd, .events = events};
    return poll(&entry, 1, 5000) == 1 ? entry.revents : 0;
}

// A port that answers no SYN any more: a listener whose queue is full, which is known by the first that waits in vain.
static inline int silent_port(void) {
    int server = tcp(AF_INET);
    MUST(bind(server, OF(at("127.0.0.1", 0))));
    MUST(listen(server, 0));
    for (int waits_in_vain = 0; waits_in_vain < 2;) {
        int filler = tcp(AF_INET);
        set_blocking(filler, false);
        connect(filler, OF(at("127.0.0.1", port_of(server))));
        struct pollfd entry = {.fd = filler, .events = POLLOUT};
        waits_in_vain += poll(&entry, 1, 300) == 0;
    }
    return port_of(server);
}

static inline void reset(int fd) {
    struct linger none = {.l_onoff = 1};
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
    MUST(close(fd));
}

static inline double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

// A page that nobody may touch.
#define NOWHERE ((void *)8)

struct section {
    const char *name;
    void (*run)(void);
};

static inline int run_section(const struct section *sections, int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(40);
    for (; argc == 2 && sections->name; sections++) {
        if (strcmp(sections->name, argv[1]) == 0) {
            sections->run();
            return 0;
        }
    }
    fprintf(stderr, "no such section\n");
    return 2;
}

#define SECTIONS(...)                                          \
    int main(int argc, char **argv) {                          \
        const struct section sections[] = {__VA_ARGS__, {0}};  \
        return run_section(sections, argc, argv);              \
    }
