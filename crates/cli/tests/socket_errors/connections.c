// connect(2): to odd places, twice, to nobody, without an answer, without a port.

#include "common.h"

static int connected(int fd, const char *text, int port) { return connect(fd, OF(at(text, port))); }

// SO_ERROR once the attempt is over.
static int late_error(int fd) {
    wait_for(fd, POLLOUT);
    return option(fd, SOL_SOCKET, SO_ERROR);
}

static const char *name_of(int error) { return error ? strerrorname_np(error) : "none"; }

static void connect_odd(void) {
    int server = listener("0.0.0.0", 8000);
    SAY("port 0", connected(tcp(AF_INET), "127.0.0.1", 0));
    int fd = tcp(AF_INET);
    SAY("0.0.0.0", connected(fd, "0.0.0.0", 8000));
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    MUST(getpeername(fd, (void *)&peer, &len));
    printf("which is %s\n", inet_ntoa(peer.sin_addr));
    SAY("accepted", accept(server, NULL, NULL));
    SAY("broadcast", connected(tcp(AF_INET), "255.255.255.255", 8000));
    SAY("a network's broadcast", connected(tcp(AF_INET), "127.255.255.255", 8000));
    SAY("a group", connected(tcp(AF_INET), "224.0.0.1", 8000));
    SAY("a group of IPv6", connected(tcp(AF_INET6), "ff02::1", 8000));

    int datagrams = udp(AF_INET);
    struct address everybody = at("127.255.255.255", 8000);
    SAY("UDP to a broadcast", sendto(datagrams, "x", 1, 0, OF(everybody)));
    SAY("UDP connect to it", connect(datagrams, OF(everybody)));
    set(datagrams, SOL_SOCKET, SO_BROADCAST, 1);
    SAY("with SO_BROADCAST", sendto(datagrams, "x", 1, 0, OF(everybody)));
    SAY("connect so", connect(datagrams, OF(everybody)));
    SAY("UDP to port 0", sendto(udp(AF_INET), "x", 1, 0, OF(at("127.0.0.1", 0))));

    struct address address = at("127.0.0.1", 8000);
    SAY("a short address", connect(tcp(AF_INET), (void *)&address.storage, 8));
    SAY("IPv6 from an IPv4 socket", connected(tcp(AF_INET), "::1", 8000));
    SAY("IPv4 from an IPv6 socket", connected(tcp(AF_INET6), "127.0.0.1", 8000));
    address.storage.ss_family = AF_UNIX;
    SAY("AF_UNIX", connect(tcp(AF_INET), OF(address)));
    address.storage.ss_family = AF_UNSPEC;
    SAY("AF_UNSPEC on a fresh socket", connect(tcp(AF_INET), OF(address)));
    SAY("AF_UNSPEC on UDP", connect(datagrams, OF(address)));
    SAY("which sends nowhere then", send(datagrams, "x", 1, 0));
}

static void connect_twice(void) {
    int server = listener("127.0.0.1", 8000);
    int fd = client_of(server);
    SAY("when it is connected", connected(fd, "127.0.0.1", 8000));
    SAY("elsewhere", connected(fd, "127.0.0.1", 8001));
    SAY("an accepted one", connected(MUST(accept(server, NULL, NULL)), "127.0.0.1", 8000));
    SAY("a listener", connected(server, "127.0.0.1", 8000));

    fd = tcp(AF_INET);
    set_blocking(fd, false);
    SAY("without blocking", connected(fd, "127.0.0.1", 8000));
    wait_for(fd, POLLOUT);
    SAY("told that it is done", connected(fd, "127.0.0.1", 8000));
    SAY("told once", connected(fd, "127.0.0.1", 8000));

    int silent = silent_port();
    fd = tcp(AF_INET);
    set_blocking(fd, false);
    SAY("to a silent port", connected(fd, "127.0.0.1", silent));
    SAY("again", connected(fd, "127.0.0.1", silent));
    SAY("elsewhere", connected(fd, "127.0.0.1", 8000));
    SAY("sending meanwhile", send(fd, "x", 1, MSG_NOSIGNAL));
    char octet;
    SAY("receiving meanwhile", recv(fd, &octet, 1, 0));
    struct address address;
    address.len = sizeof address.storage;
    SAY("its peer", getpeername(fd, (void *)&address.storage, &address.len));

    fd = udp(AF_INET);
    SAY("UDP", connected(fd, "127.0.0.1", 8000));
    SAY("UDP again", connected(fd, "127.0.0.1", 8001));
}

static void no_route(void) {
    SAY("TCP", connected(tcp(AF_INET), "192.0.2.1", 80));
    SAY("TCP over IPv6", connected(tcp(AF_INET6), "2001:db8::1", 80));
    SAY("UDP", connected(udp(AF_INET), "192.0.2.1", 80));
    SAY("UDP over IPv6", connected(udp(AF_INET6), "2001:db8::1", 80));
    int fd = udp(AF_INET);
    SAY("sendto", sendto(fd, "x", 1, 0, OF(at("192.0.2.1", 80))));
    SAY("sendto again", sendto(fd, "x", 1, 0, OF(at("192.0.2.1", 80))));
    SAY("sendto over IPv6", sendto(udp(AF_INET6), "x", 1, 0, OF(at("2001:db8::1", 80))));
    SAY("the socket is as good as new", sendto(fd, "x", 1, 0, OF(at("127.0.0.1", 80))));
    fd = tcp(AF_INET);
    set_blocking(fd, false);
    SAY("without blocking", connected(fd, "192.0.2.1", 80));
    MUST(listener("127.0.0.1", 8000));
    set_blocking(fd, true);
    SAY("then elsewhere", connected(fd, "127.0.0.1", 8000));
}

static void refused(void) {
    int fd = tcp(AF_INET);
    SAY("blocking", connected(fd, "127.0.0.1", 8000));
    printf("left behind: %s\n", name_of(option(fd, SOL_SOCKET, SO_ERROR)));
    SAY("again", connected(fd, "127.0.0.1", 8000));
    listener("127.0.0.1", 8000);
    SAY("now somebody listens", connected(fd, "127.0.0.1", 8000));
    SAY("IPv6", connected(tcp(AF_INET6), "::1", 8001));

    fd = tcp(AF_INET);
    set_blocking(fd, false);
    SAY("without blocking", connected(fd, "127.0.0.1", 8001));
    int events = wait_for(fd, POLLOUT);
    printf("poll: %s %s\n", events & POLLERR ? "error" : "-", events & POLLHUP ? "hangup" : "-");
    printf("its error: %s\n", name_of(option(fd, SOL_SOCKET, SO_ERROR)));
    printf("told once: %s\n", name_of(option(fd, SOL_SOCKET, SO_ERROR)));
    SAY("sending", send(fd, "x", 1, MSG_NOSIGNAL));

    fd = udp(AF_INET);
    MUST(connected(fd, "127.0.0.1", 8001));
    SAY("a datagram", send(fd, "x", 1, 0));
    char octet;
    SAY("told to recv", recv(fd, &octet, 1, 0));
    SAY("another datagram", send(fd, "x", 1, 0));
    usleep(50 * 1000);
    SAY("told to send", send(fd, "x", 1, 0));
    usleep(50 * 1000);
    fd = udp(AF_INET);
    MUST(connected(fd, "127.0.0.1", 8001));
    MUST(send(fd, "x", 1, 0));
    usleep(50 * 1000);
    printf("told to SO_ERROR: %s\n", name_of(option(fd, SOL_SOCKET, SO_ERROR)));
    SAY("and to nobody else", recv(fd, &octet, 1, MSG_DONTWAIT));
    fd = udp(AF_INET);
    MUST(sendto(fd, "x", 1, 0, OF(at("127.0.0.1", 8001))));
    usleep(50 * 1000);
    SAY("without a connection nobody is told", recv(fd, &octet, 1, MSG_DONTWAIT));
}

static void timeouts(void) {
    int silent = silent_port();
    int fd = tcp(AF_INET);
    set(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
    double began = now();
    SAY("after one retransmission", connected(fd, "127.0.0.1", silent));
    double took = now() - began;
    printf("in two seconds or a little more: %d\n", took > 1.7 && took < 8);

    fd = tcp(AF_INET);
    struct timeval limit = {.tv_usec = 200000};
    MUST(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    began = now();
    SAY("with SO_SNDTIMEO", connected(fd, "127.0.0.1", silent));
    printf("in 200 ms: %d\n", now() - began > 0.19 && now() - began < 2);
    SAY("still under way", connected(fd, "127.0.0.1", silent));

    int sides[2];
    pair(sides);
    MUST(setsockopt(sides[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    char octet;
    began = now();
    SAY("recv with SO_RCVTIMEO", recv(sides[0], &octet, 1, 0));
    printf("in 200 ms: %d\n", now() - began > 0.19 && now() - began < 2);
    int server = listener("127.0.0.1", 0);
    MUST(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    SAY("accept with SO_RCVTIMEO", accept(server, NULL, NULL));
    fd = udp(AF_INET);
    MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    MUST(bind(fd, OF(at("127.0.0.1", 0))));
    SAY("UDP with SO_RCVTIMEO", recv(fd, &octet, 1, 0));
}

// Who accepts a connection finds that its other side, on the same host, knows of it.
static void client_first(void) {
    int server = listener("127.0.0.1", 8000), early = 0;
    for (int i = 0; i < 300; i++) {
        int fd = tcp(AF_INET);
        set_blocking(fd, false);
        connect(fd, OF(at("127.0.0.1", 8000)));
        wait_for(server, POLLIN);
        struct pollfd entry = {.fd = fd, .events = POLLOUT};
        early += poll(&entry, 1, 0) == 1 && entry.revents == POLLOUT;
        close(MUST(accept(server, NULL, NULL)));
        close(fd);
    }
    printf("the client was first: %d\n", early);
}

// The range has four ports.
static void exhaustion(void) {
    int server = listener("127.0.0.1", 8000), other = listener("127.0.0.1", 8001);
    for (int i = 0; i < 5; i++)
        SAY("a connection", connected(tcp(AF_INET), "127.0.0.1", 8000));
    SAY("to another port", connected(tcp(AF_INET), "127.0.0.1", 8001));
    SAY("from another address", ({
            int fd = tcp(AF_INET);
            MUST(bind(fd, OF(at("127.0.0.2", 9000))));
            connected(fd, "127.0.0.1", 8000);
        }));
    for (int i = 0; i < 5; i++)
        SAY("a port of UDP", bind(udp(AF_INET), OF(at("127.0.0.1", 0))));
    SAY("UDP connect", connected(udp(AF_INET), "127.0.0.1", 8000));
    close(server);
    close(other);
}

SECTIONS({"connect_odd", connect_odd}, {"connect_twice", connect_twice}, {"no_route", no_route}, {"refused", refused},
         {"timeouts", timeouts}, {"exhaustion", exhaustion},
         {"client_first", client_first})
