// bind(2) and listen(2): ports in use, reserved, foreign; both families on one port.

#include "common.h"
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int bound(const char *text, int port, bool reuse) {
    struct address address = at(text, port);
    int fd = tcp(address.storage.ss_family);
    set(fd, SOL_SOCKET, SO_REUSEADDR, reuse);
    return bind(fd, OF(address)) < 0 ? -1 : fd;
}

static int bound_udp(const char *text, int port) {
    struct address address = at(text, port);
    int fd = udp(address.storage.ss_family);
    return bind(fd, OF(address)) < 0 ? -1 : fd;
}

static void bind_busy(void) {
    int server = listener("127.0.0.1", 8000);
    SAY("the same port", bound("127.0.0.1", 8000, false));
    SAY("with SO_REUSEADDR", bound("127.0.0.1", 8000, true));
    SAY("the wildcard", bound("0.0.0.0", 8000, false));
    SAY("another address", bound("127.0.0.2", 8000, false));
    int datagrams = bound_udp("127.0.0.1", 8000);
    SAY("the same number of UDP", datagrams);
    SAY("that one again", bound_udp("127.0.0.1", 8000));
    close(datagrams);
    // At once, each time.
    for (int i = 0; i < 300; i++) close(MUST(bound_udp("127.0.0.1", 8000)));
    SAY("after close", bound_udp("127.0.0.1", 8000));

    int first = bound("127.0.0.1", 8001, true), second = bound("127.0.0.1", 8001, true);
    SAY("two that may be reused", second);
    SAY("one listens", listen(first, 1));
    SAY("the other", listen(second, 1));
    SAY("a third", bound("127.0.0.1", 8001, true));

    // Connections outlive their listener.
    int client = client_of(server), connection = MUST(accept(server, NULL, NULL));
    close(server);
    SAY("while a connection lives", bound("127.0.0.1", 8000, false));
    SAY("with SO_REUSEADDR while it lives", bound("127.0.0.1", 8000, true));
    close(connection);
    char octet;
    MUST(read(client, &octet, 1));
    close(client);
    usleep(50 * 1000);
    SAY("in TIME-WAIT", bound("127.0.0.1", 8000, false));

    // The client's side, which closes first.
    server = listener("127.0.0.1", 8002);
    client = bound("127.0.0.1", 8003, true);
    MUST(connect(client, OF(at("127.0.0.1", 8002))));
    connection = MUST(accept(server, NULL, NULL));
    close(client);
    MUST(read(connection, &octet, 1));
    close(connection);
    usleep(50 * 1000);
    SAY("a client's port in TIME-WAIT", bound("127.0.0.1", 8003, false));
    int again = bound("127.0.0.1", 8003, true);
    SAY("with SO_REUSEADDR", again);
    SAY("a listener there", listen(again, 1));
}

static void bind_reserved(void) {
    SAY("as root", bound("127.0.0.1", 80, false));
    MUST(setgid(65534));
    MUST(setuid(65534));
    SAY("as nobody", bound("127.0.0.1", 81, false));
    SAY("IPv6", bound("::1", 81, false));
    SAY("UDP", bound_udp("127.0.0.1", 1023));
    SAY("the first that is free for all", bound("127.0.0.1", 1024, false));
    SAY("any", bound("127.0.0.1", 0, false));
}

// Gives up root, but for these capabilities.
static void become_ordinary(unsigned capabilities) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = capabilities, .permitted = capabilities}};
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    MUST(setgid(12345));
    MUST(setuid(12345));
    MUST(syscall(SYS_capset, &header, data));
}

static void use_rights(void) {
    SAY("a port below 1024", bound("127.0.0.1", 80, true));
    SAY("a raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

// What a program may is by its capabilities where the network belongs, each for itself, and not by those of a user
// namespace of its own.
static void rights(void) {
    const char *names[] = {"root", "nobody special", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "root of its own namespace"};
    for (int i = 0; i < 5; i++) {
        printf("%s\n", names[i]);
        if (fork() == 0) {
            if (i > 0)
                become_ordinary(i == 2 ? 1 << CAP_NET_BIND_SERVICE : i == 3 ? 1 << CAP_NET_RAW : 0);
            if (i == 4)
                MUST(unshare(CLONE_NEWUSER));
            use_rights();
            exit(0);
        }
        wait(NULL);
    }
}

static void bind_foreign(void) {
    SAY("IPv4", bound("192.0.2.1", 8000, false));
    SAY("IPv6", bound("2001:db8::1", 8000, false));
    SAY("UDP", bound_udp("192.0.2.1", 8000));
    SAY("a group, UDP", bound_udp("224.0.0.1", 8000));
    SAY("all of 127.0.0.0/8", bound("127.3.2.1", 8000, false));
    int fd = tcp(AF_INET);
    struct address address = at("127.0.0.1", 0);
    SAY("a short address", bind(fd, (void *)&address.storage, 8));
    SAY("a length of 0", bind(fd, (void *)&address.storage, 0));
    SAY("a negative length", bind(fd, (void *)&address.storage, -1));
    SAY("an IPv6 address on an IPv4 socket", bind(fd, OF(at("::1", 0))));
    SAY("an IPv4 address on an IPv6 socket", bind(tcp(AF_INET6), OF(address)));
    address.storage.ss_family = AF_UNIX;
    SAY("AF_UNIX", bind(fd, OF(address)));
    address.storage.ss_family = AF_UNSPEC;
    SAY("AF_UNSPEC", bind(fd, OF(address)));
    address = at("0.0.0.0", 0);
    address.storage.ss_family = AF_UNSPEC;
    SAY("AF_UNSPEC and the wildcard", bind(fd, OF(address)));
    SAY("link-local without a link", bound("fe80::1", 8000, false));
}

static int bound_v6(const char *text, int port, int type, int only) {
    int fd = MUST(socket(AF_INET6, type, 0));
    set(fd, IPPROTO_IPV6, IPV6_V6ONLY, only);
    if (bind(fd, OF(at(text, port))) < 0)
        return -1;
    if (type == SOCK_STREAM)
        MUST(listen(fd, 1));
    return fd;
}

static void wildcard_conflict(void) {
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        printf("%s\n", type == SOCK_STREAM ? "TCP" : "UDP");
        int (*bound_v4)(const char *, int) = bound_udp;
        SAY("a dual socket", bound_v6("::", 8000, type, 0));
        SAY("then IPv4", type == SOCK_STREAM ? bound("0.0.0.0", 8000, false) : bound_v4("0.0.0.0", 8000));
        SAY("then one address", type == SOCK_STREAM ? bound("127.0.0.1", 8000, false) : bound_v4("127.0.0.1", 8000));
        SAY("IPv6 only", bound_v6("::", 8001, type, 1));
        SAY("then IPv4", type == SOCK_STREAM ? bound("0.0.0.0", 8001, false) : bound_v4("0.0.0.0", 8001));
        SAY("IPv4 first", type == SOCK_STREAM ? bound("0.0.0.0", 8002, false) : bound_v4("0.0.0.0", 8002));
        SAY("then a dual socket", bound_v6("::", 8002, type, 0));
        SAY("then IPv6 only", bound_v6("::", 8002, type, 1));
        SAY("a mapped address", bound_v6("::ffff:127.0.0.1", 8003, type, 0));
        SAY("then that address", type == SOCK_STREAM ? bound("127.0.0.1", 8003, false) : bound_v4("127.0.0.1", 8003));
        SAY("a mapped address, IPv6 only", bound_v6("::ffff:127.0.0.1", 8004, type, 1));
        int fd = bound_v6("::", 8005, type, 0), one = 1;
        SAY("IPV6_V6ONLY after bind", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one));
    }
}

static void second_bind(void) {
    int fd = bound("127.0.0.1", 8000, false);
    SAY("again", bind(fd, OF(at("127.0.0.1", 8001))));
    SAY("the same", bind(fd, OF(at("127.0.0.1", 8000))));
    MUST(listen(fd, 1));
    SAY("when it listens", bind(fd, OF(at("127.0.0.1", 8001))));
    SAY("when it is connected", bind(client_of(fd), OF(at("127.0.0.1", 8001))));
    SAY("UDP", bind(bound_udp("127.0.0.1", 8000), OF(at("127.0.0.1", 8001))));
    int connected = udp(AF_INET);
    MUST(connect(connected, OF(at("127.0.0.1", 8000))));
    SAY("UDP when it is connected", bind(connected, OF(at("127.0.0.1", 8001))));
}

static void listen_unbound(void) {
    int fd = tcp(AF_INET);
    COUNT("port before", port_of(fd));
    SAY("listen", listen(fd, 1));
    COUNT("a port", port_of(fd) != 0);
    SAY("connect to it", client_of(fd));
    SAY("listen again", listen(fd, 5));
    SAY("with a negative queue", listen(fd, -1));
    SAY("UDP", listen(udp(AF_INET), 1));
    int sides[2];
    pair(sides);
    SAY("a connected socket", listen(sides[0], 1));
    SAY("an accepted socket", listen(sides[1], 1));
    SAY("accept on a fresh socket", accept(tcp(AF_INET), NULL, NULL));
    SAY("accept on a connection", accept(sides[0], NULL, NULL));
    SAY("accept on UDP", accept(udp(AF_INET), NULL, NULL));
    SAY("accept4 with an unknown flag", accept4(fd, NULL, NULL, 1));
    shutdown(fd, SHUT_RDWR);
    SAY("accept after shutdown", accept(fd, NULL, NULL));
    set_blocking(fd, false);
    SAY("without blocking", accept(fd, NULL, NULL));
}

SECTIONS({"bind_busy", bind_busy}, {"bind_reserved", bind_reserved}, {"rights", rights}, {"bind_foreign", bind_foreign},
         {"wildcard_conflict", wildcard_conflict}, {"second_bind", second_bind}, {"listen_unbound", listen_unbound})
