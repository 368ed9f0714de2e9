// What needs CAP_NET_ADMIN or CAP_NET_RAW: as root, and as somebody else.

#include "common.h"
#include <sys/utsname.h>

static void attempt(const char *who, int fd) {
    struct { const char *what; int name, value; } options[] = {
        {"SO_MARK", SO_MARK, 77},
        {"SO_PRIORITY 6", SO_PRIORITY, 6},
        {"SO_PRIORITY 7", SO_PRIORITY, 7},
        {"SO_PRIORITY -1", SO_PRIORITY, -1},
        {"SO_RCVBUFFORCE", SO_RCVBUFFORCE, 100000},
        {"SO_SNDBUFFORCE", SO_SNDBUFFORCE, 100000},
        {"SO_DEBUG", SO_DEBUG, 1},
        {"SO_DEBUG off", SO_DEBUG, 0},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int result = setsockopt(fd, SOL_SOCKET, options[i].name, &options[i].value, sizeof(int));
        printf("%s: %s: %s\n", who, options[i].what, result ? strerrorname_np(errno) : "ok");
    }
    printf("%s: kept: %d %d\n", who, option(fd, SOL_SOCKET, SO_MARK), option(fd, SOL_SOCKET, SO_RCVBUF));
    union { char octets[CMSG_SPACE(4)]; struct cmsghdr header; } control = {0};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SO_MARK;
    control.header.cmsg_len = CMSG_LEN(4);
    struct iovec part = {.iov_base = "x", .iov_len = 1};
    struct address to = at("127.0.0.1", 9);
    struct msghdr message = {.msg_name = &to.storage, .msg_namelen = to.len, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = sizeof control};
    if (option(fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM) COUNT(who, sendmsg(fd, &message, 0));
}

static void privileges(void) {
    attempt("root's stream", tcp(AF_INET));
    attempt("root's datagrams", udp(AF_INET6));
    MUST(setresuid(65534, 65534, 65534));
    attempt("nobody's stream", tcp(AF_INET));
    attempt("nobody's datagrams", udp(AF_INET));
}

SECTIONS({"privileges", privileges})
