// How connections end: in time, by a limit of time, for good; and what calls with a message header say of it.

#include "common.h"

static long received(int fd) {
    char octet;
    struct iovec part = {&octet, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return recvmsg(fd, &message, 0);
}

static long sent(int fd) {
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

// A connection whose other side reads nothing, and has room for nothing more.
static void stuck_pair(int sides[2]) {
    static char text[65536];
    pair(sides);
    set(sides[1], SOL_SOCKET, SO_RCVBUF, 4096);
    set_blocking(sides[0], false);
    // Until what was taken does not move on.
    for (int quiet = 0; quiet < 3; quiet++) {
        while (write(sides[0], text, sizeof text) > 0)
            quiet = 0;
        usleep(20 * 1000);
    }
    set_blocking(sides[0], true);
}

// TCP_USER_TIMEOUT ends a connection whose text nobody takes.
static void timed_out(void) {
    int readers[4][2];
    char octet;
    for (int i = 0; i < 4; i++) {
        stuck_pair(readers[i]);
        set(readers[i][0], IPPROTO_TCP, TCP_USER_TIMEOUT, 400);
    }
    COUNT("recvmsg, which waits for it", received(readers[0][0]));
    for (int i = 1; i < 4; i++)
        printf("poll: %s\n", wait_for(readers[i][0], 0) & POLLERR ? "error" : "-");
    COUNT("read", read(readers[1][0], &octet, 1));
    COUNT("then", read(readers[1][0], &octet, 1));
    printf("SO_ERROR: %s\n", strerrorname_np(option(readers[2][0], SOL_SOCKET, SO_ERROR)));
    struct address from = {.len = sizeof from.storage};
    COUNT("recvfrom", recvfrom(readers[3][0], &octet, 1, 0, (void *)&from.storage, &from.len));
}

// connect(2) with AF_UNSPEC.
static void disconnected(void) {
    int sides[2], server = listener("127.0.0.1", 8000);
    char octet;
    struct address nowhere = at("127.0.0.1", 8000), peer;
    nowhere.storage.ss_family = AF_UNSPEC;
    pair(sides);
    SAY("a connection", connect(sides[0], OF(nowhere)));
    peer.len = sizeof peer.storage;
    SAY("its peer", getpeername(sides[0], (void *)&peer.storage, &peer.len));
    COUNT("the other side", recv(sides[1], &octet, 1, 0));
    SAY("again", connect(sides[0], OF(nowhere)));
    SAY("and elsewhere", connect(sides[0], OF(at("127.0.0.1", 8000))));
    COUNT("text", write(sides[0], "x", 1));
    COUNT("arrives", read(MUST(accept(server, NULL, NULL)), &octet, 1));
}

static double time_of_close(int seconds) {
    int sides[2];
    struct linger linger = {.l_onoff = 1, .l_linger = seconds};
    stuck_pair(sides);
    MUST(setsockopt(sides[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    double began = now();
    MUST(close(sides[0]));
    double took = now() - began;
    close(sides[1]);
    return took;
}

static void lingering(void) {
    double took = time_of_close(1);
    printf("close waits a second: %d\n", took > 0.9 && took < 3);
    took = time_of_close(0);
    printf("or not at all: %d\n", took < 0.5);
}

// Calls with a message header or an address, which no engine leaves to the kernel.
static void with_a_header(void) {
    int sides[2], datagrams = udp(AF_INET);
    char octet;
    struct address from = {.len = sizeof from.storage};
    COUNT("recvmsg of a fresh stream", received(tcp(AF_INET)));
    COUNT("of a listener", received(listener("127.0.0.1", 0)));
    COUNT("sendmsg", sent(tcp(AF_INET)));
    pair(sides);
    reset(sides[1]);
    wait_for(sides[0], POLLIN);
    COUNT("sendmsg after a reset", sent(sides[0]));
    COUNT("again", sent(sides[0]));
    COUNT("recvmsg then", received(sides[0]));
    pair(sides);
    reset(sides[1]);
    wait_for(sides[0], POLLIN);
    COUNT("recvmsg after a reset", received(sides[0]));
    COUNT("again", received(sides[0]));
    pair(sides);
    set_blocking(sides[0], false);
    COUNT("without text", received(sides[0]));
    MUST(shutdown(sides[1], SHUT_WR));
    wait_for(sides[0], POLLIN);
    COUNT("at the end", received(sides[0]));

    COUNT("a datagram without a destination", sent(datagrams));
    MUST(connect(datagrams, OF(at("127.0.0.1", 8001))));
    COUNT("a datagram", sent(datagrams));
    wait_for(datagrams, POLLIN);
    COUNT("refused, told to recvmsg", received(datagrams));
    MUST(sent(datagrams));
    wait_for(datagrams, POLLIN);
    COUNT("to sendmsg", sent(datagrams));
    COUNT("which sends the next", sent(datagrams));
    wait_for(datagrams, POLLIN);
    COUNT("to recvfrom", recvfrom(datagrams, &octet, 1, 0, (void *)&from.storage, &from.len));
    MUST(sent(datagrams));
    wait_for(datagrams, POLLIN);
    printf("to SO_ERROR: %s\n", strerrorname_np(option(datagrams, SOL_SOCKET, SO_ERROR)));
    COUNT("once", recvfrom(datagrams, &octet, 1, MSG_DONTWAIT, (void *)&from.storage, &from.len));
}

SECTIONS({"timed_out", timed_out}, {"disconnected", disconnected}, {"lingering", lingering}, {"with_a_header", with_a_header})
