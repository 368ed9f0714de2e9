// Many datagrams in one call: UDP_SEGMENT and UDP_GRO.

#include "common.h"
#include <netinet/udp.h>

#define SEGMENT 103
#define GRO 104

// Sends `len` octets with UDP_SEGMENT as a control message of `control_len` octets.
static ssize_t send_cut(int fd, int len, int size, int control_len) {
    static char text[70000];
    struct iovec part = {.iov_base = text, .iov_len = len};
    union { char octets[CMSG_SPACE(4)]; struct cmsghdr header; } control = {0};
    control.header.cmsg_level = SOL_UDP;
    control.header.cmsg_type = SEGMENT;
    control.header.cmsg_len = CMSG_LEN(control_len);
    memcpy(CMSG_DATA(&control.header), (uint32_t[]){size}, control_len);
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(control_len)};
    return sendmsg(fd, &message, 0);
}

// What waits: the length of each, and what UDP_GRO says of it.
static void drain(const char *what, int fd) {
    printf("%s:", what);
    for (;;) {
        static char text[70000];
        struct iovec part = {.iov_base = text, .iov_len = sizeof text};
        char control[256];
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        if (poll(&entry, 1, 200) != 1) break;
        ssize_t len = recvmsg(fd, &message, MSG_DONTWAIT);
        if (len < 0) {
            printf(" %s", strerrorname_np(errno));
            break;
        }
        printf(" %zd", len);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level == SOL_UDP && c->cmsg_type == GRO) printf("/%d", *(int *)CMSG_DATA(c));
        }
    }
    printf("\n");
}

static void in_family(int family, const char *text, int level, int discover) {
    static char many[70000];
    int server = udp(family), client = udp(family);
    MUST(bind(server, OF(at(text, 0))));
    MUST(connect(client, OF(at(text, port_of(server)))));
    printf("not set: %d %d\n", option(client, SOL_UDP, SEGMENT), option(server, SOL_UDP, GRO));
    COUNT("by control message", send_cut(client, 3500, 1000, 2));
    drain("received", server);
    COUNT("of a wrong length", send_cut(client, 3500, 1000, 4));
    COUNT("too many", send_cut(client, 3000, 10, 2));
    COUNT("too long in all", send_cut(client, 65600, 1000, 2));
    COUNT("less than one", send_cut(client, 300, 1000, 2));
    COUNT("nothing", send_cut(client, 0, 1000, 2));
    drain("received", server);
    set(client, SOL_UDP, SEGMENT, 700);
    COUNT("by option", send(client, many, 1500, 0));
    COUNT("against it", send_cut(client, 1500, 0, 2));
    drain("received", server);
    COUNT("too many", send(client, many, 65507 - (family == AF_INET6 ? 20 : 0), 0));
    drain("received", server);
    set(client, SOL_UDP, SEGMENT, 30);
    COUNT("too many", send(client, many, 30 * 129, 0));
    set(server, SOL_UDP, GRO, 7);
    set(client, SOL_UDP, SEGMENT, 1200);
    COUNT("together", send(client, many, 30000, 0));
    COUNT("one", send(client, many, 1200, 0));
    drain("received", server);
    int value = -1;
    SAY("below", setsockopt(client, SOL_UDP, SEGMENT, &value, sizeof value));
    value = 65536;
    SAY("above", setsockopt(client, SOL_UDP, SEGMENT, &value, sizeof value));
    SAY("short", setsockopt(client, SOL_UDP, SEGMENT, &value, 2));
    printf("kept: %d %d\n", option(client, SOL_UDP, SEGMENT), option(server, SOL_UDP, GRO));
    int stream = tcp(family);
    SAY("of a stream", setsockopt(stream, SOL_UDP, SEGMENT, &value, sizeof value));
    SAY("told of a stream", getsockopt(stream, SOL_UDP, SEGMENT, &value, (socklen_t[]){sizeof value}));
    // A length that the path does not take is refused by the call itself.
    set(client, level, discover, IP_PMTUDISC_DO);
    set(client, SOL_UDP, SEGMENT, 0);
    COUNT("whole", send(client, many, 1400, 0));
    drain("received", server);
    close(stream);
    close(client);
    close(server);
}

static void segments(void) {
    in_family(AF_INET, "127.0.0.1", IPPROTO_IP, IP_MTU_DISCOVER);
    in_family(AF_INET6, "::1", IPPROTO_IPV6, IPV6_MTU_DISCOVER);
}

SECTIONS({"segments", segments})
