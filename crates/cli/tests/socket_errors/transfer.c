// send(2), recv(2), options and pointers: what is too long, too late, too odd.

#include "common.h"

static int signals;

static void count_signal(int signal) {
    (void)signal;
    signals++;
}

// What was written waits somewhere, and is counted wherever it is.
static void queues(void) {
    int sides[2], waiting = -1;
    static char text[65536];
    pair(sides);
    MUST(ioctl(sides[0], TIOCOUTQ, &waiting));
    printf("at first: %d\n", waiting);
    set(sides[1], SOL_SOCKET, SO_RCVBUF, 4096);
    set_blocking(sides[0], false);
    long written = 0;
    for (long len; (len = write(sides[0], text, sizeof text)) > 0;)
        written += len;
    usleep(200 * 1000);
    MUST(ioctl(sides[0], TIOCOUTQ, &waiting));
    // The other side has room for little of it.
    printf("nearly all of it: %d\n", waiting > written / 4 * 3 && waiting <= written);
    pair(sides);
    written = MUST(write(sides[0], text, sizeof text));
    for (long len; written > 0; written -= len)
        len = MUST(read(sides[1], text, sizeof text));
    usleep(200 * 1000);
    MUST(ioctl(sides[0], TIOCOUTQ, &waiting));
    printf("when all has arrived: %d\n", waiting);
}

static void udp_size(void) {
    static char text[70000];
    const char *loopback[] = {"127.0.0.1", "::1"};
    for (int i = 0; i < 2; i++) {
        struct address to = at(loopback[i], 8000);
        int fd = udp(to.storage.ss_family), server = udp(to.storage.ss_family);
        MUST(bind(server, OF(to)));
        COUNT("65,507", sendto(fd, text, 65507, 0, OF(to)));
        COUNT("received", recv(server, text, sizeof text, 0));
        if (i == 0)
            COUNT("65,508", sendto(fd, text, 65508, 0, OF(to)));
        COUNT("65,536", sendto(fd, text, 65536, 0, OF(to)));
        struct iovec parts[] = {{text, 40000}, {text, 40000}};
        struct msghdr message = {.msg_name = &to.storage, .msg_namelen = to.len, .msg_iov = parts, .msg_iovlen = 2};
        COUNT("in two parts", sendmsg(fd, &message, 0));
        MUST(connect(fd, OF(to)));
        COUNT("to the connected", send(fd, text, 66000, 0));
        COUNT("write", write(fd, text, 66000));
        COUNT("nothing", send(fd, text, 0, 0));
        COUNT("arrives", recv(server, text, sizeof text, 0));
    }
}

static void send_after_shutdown(void) {
    signal(SIGPIPE, count_signal);
    int sides[2];
    pair(sides);
    MUST(shutdown(sides[0], SHUT_WR));
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    SAY("send", send(sides[0], "x", 1, 0));
    printf("signals: %d\n", signals);
    SAY("write", write(sides[0], "x", 1));
    SAY("writev", writev(sides[0], &part, 1));
    SAY("sendmsg", sendmsg(sides[0], &message, 0));
    printf("signals: %d\n", signals);
    SAY("with MSG_NOSIGNAL", send(sides[0], "x", 1, MSG_NOSIGNAL));
    SAY("sendmsg with MSG_NOSIGNAL", sendmsg(sides[0], &message, MSG_NOSIGNAL));
    printf("signals: %d\n", signals);
    SAY("nothing at all", send(sides[0], "x", 0, MSG_NOSIGNAL));
    SAY("shutdown again", shutdown(sides[0], SHUT_WR));
    SAY("an unknown way", shutdown(sides[0], 3));
    char octet;
    COUNT("the other reads the end", read(sides[1], &octet, 1));
    COUNT("and writes", write(sides[1], "y", 1));
    COUNT("and is read", read(sides[0], &octet, 1));

    // The other side has closed: the first write is taken, and the answer is a reset.
    pair(sides);
    close(sides[1]);
    wait_for(sides[0], POLLIN);
    SAY("to one who has closed", write(sides[0], "x", 1));
    usleep(100 * 1000);
    SAY("then", write(sides[0], "x", 1));
    printf("signals: %d\n", signals);

    SAY("on a fresh socket", send(tcp(AF_INET), "x", 1, MSG_NOSIGNAL));
    SAY("shutdown of a fresh socket", shutdown(tcp(AF_INET), SHUT_WR));
    int fd = udp(AF_INET);
    SAY("shutdown of UDP", shutdown(fd, SHUT_WR));
    MUST(connect(fd, OF(at("127.0.0.1", 8000))));
    SAY("when it is connected", shutdown(fd, SHUT_WR));
    SAY("a datagram then", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void recv_after_reset(void) {
    char octet;
    struct address address;
    int sides[2];
    pair(sides);
    reset(sides[1]);
    int events = wait_for(sides[0], POLLIN | POLLRDHUP);
    printf("poll: %s %s %s\n", events & POLLIN ? "in" : "-", events & POLLERR ? "error" : "-", events & POLLHUP ? "hangup" : "-");
    COUNT("first", recv(sides[0], &octet, 1, 0));
    COUNT("then", recv(sides[0], &octet, 1, 0));
    SAY("sending", send(sides[0], "x", 1, MSG_NOSIGNAL));
    SAY("shutdown", shutdown(sides[0], SHUT_WR));

    // Text that came before the reset can still be read.
    pair(sides);
    MUST(write(sides[1], "abc", 3));
    wait_for(sides[0], POLLIN);
    reset(sides[1]);
    usleep(100 * 1000);
    char text[8];
    COUNT("text", recv(sides[0], text, sizeof text, 0));
    COUNT("then", recv(sides[0], text, sizeof text, 0));
    COUNT("then", recv(sides[0], text, sizeof text, 0));

    // Whoever comes first is told.
    pair(sides);
    reset(sides[1]);
    wait_for(sides[0], POLLIN);
    printf("SO_ERROR: %s\n", strerrorname_np(option(sides[0], SOL_SOCKET, SO_ERROR)));
    COUNT("then", recv(sides[0], &octet, 1, 0));
    pair(sides);
    reset(sides[1]);
    wait_for(sides[0], POLLIN);
    SAY("the writer", send(sides[0], "x", 1, MSG_NOSIGNAL));
    SAY("again", send(sides[0], "x", 1, MSG_NOSIGNAL));
    COUNT("the reader", recv(sides[0], &octet, 1, 0));

    // The accepted side.
    pair(sides);
    reset(sides[0]);
    wait_for(sides[1], POLLIN);
    COUNT("accepted: first", recv(sides[1], &octet, 1, 0));
    COUNT("accepted: then", recv(sides[1], &octet, 1, 0));
    address.len = sizeof address.storage;
    SAY("its own address", getsockname(sides[1], (void *)&address.storage, &address.len));
}

static void setsockopt_bad(void) {
    int fd = tcp(AF_INET), datagrams = udp(AF_INET), one = 1;
    char buffer[64];
    socklen_t len;
    for (socklen_t short_len = 0; short_len < 4; short_len++)
        SAY("SO_KEEPALIVE too short", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, short_len));
    SAY("TCP_NODELAY too short", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 3));
    SAY("IP_TTL as an octet", setsockopt(fd, IPPROTO_IP, IP_TTL, &one, 1));
    SAY("a negative length", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, -1));
    SAY("a long value", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, buffer, sizeof buffer));
    SAY("nowhere", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NOWHERE, 4));
    SAY("nowhere, TCP", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, NOWHERE, 4));
    SAY("an unknown option", setsockopt(fd, SOL_SOCKET, 9999, &one, 4));
    SAY("an unknown option of TCP", setsockopt(fd, IPPROTO_TCP, 9999, &one, 4));
    SAY("an unknown option of IP", setsockopt(fd, IPPROTO_IP, 9999, &one, 4));
    SAY("an unknown level", setsockopt(fd, 9999, 1, &one, 4));
    SAY("TCP's on UDP", setsockopt(datagrams, IPPROTO_TCP, TCP_NODELAY, &one, 4));
    SAY("IPv6's on IPv4", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4));
    int read_only[] = {SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_DOMAIN, SO_PROTOCOL};
    for (int i = 0; i < 5; i++)
        SAY("what can only be read", setsockopt(fd, SOL_SOCKET, read_only[i], &one, 4));
    SAY("SO_LINGER too short", setsockopt(fd, SOL_SOCKET, SO_LINGER, &one, 4));
    SAY("SO_RCVTIMEO too short", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, buffer, 8));
    SAY("an unknown congestion control", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "no such", 7));
    SAY("TCP_MAXSEG of 7", setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &(int){7}, 4));
    SAY("IP_TTL of 256", setsockopt(fd, IPPROTO_IP, IP_TTL, &(int){256}, 4));
    SAY("TCP_KEEPCNT of 128", setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){128}, 4));

    len = 4;
    SAY("get: an unknown option", getsockopt(fd, SOL_SOCKET, 9999, buffer, &len));
    SAY("get: an unknown option of TCP", getsockopt(fd, IPPROTO_TCP, 9999, buffer, &len));
    SAY("get: nowhere", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NOWHERE, &len));
    SAY("get: no length", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, buffer, NULL));
    len = -1;
    SAY("get: a negative length", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, buffer, &len));
    len = 2;
    SAY("get: too short", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, buffer, &len));
    printf("length: %u\n", len);
    len = sizeof buffer;
    SAY("get: too long", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, buffer, &len));
    printf("length: %u\n", len);
    len = 0;
    SAY("get: nothing", getsockopt(fd, SOL_SOCKET, SO_TYPE, buffer, &len));
    printf("length: %u\n", len);
}

static void absurd_buffers(void) {
    int values[] = {-1, 0, 1, 1000, 1 << 20, 1 << 30, 0x7fffffff, -0x7fffffff - 1};
    for (int kind = 0; kind < 2; kind++) {
        int fd = kind == 0 ? tcp(AF_INET) : udp(AF_INET);
        for (int i = 0; i < 8; i++) {
            SAY("SO_RCVBUF", setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &values[i], 4));
            printf("%d gives %d\n", values[i], option(fd, SOL_SOCKET, SO_RCVBUF));
            SAY("SO_SNDBUF", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &values[i], 4));
            printf("%d gives %d\n", values[i], option(fd, SOL_SOCKET, SO_SNDBUF));
        }
    }
    // And what is so small still carries text.
    int sides[2];
    pair(sides);
    set(sides[0], SOL_SOCKET, SO_RCVBUF, 1);
    set(sides[1], SOL_SOCKET, SO_SNDBUF, 1);
    static char text[100000], all[100000];
    if (fork() == 0) {
        for (size_t sent = 0; sent < sizeof text;)
            sent += MUST(write(sides[1], text, sizeof text - sent));
        _exit(0);
    }
    close(sides[1]);
    size_t received = 0;
    for (long len; (len = MUST(read(sides[0], all, sizeof all))) > 0;)
        received += len;
    printf("received %zu\n", received);
}

static void negative_timeouts(void) {
    int sides[2];
    char octet;
    pair(sides);
    struct timeval negative = {.tv_sec = -1}, odd = {.tv_usec = 1000000}, before = {.tv_usec = -1}, limit;
    socklen_t len = sizeof limit;
    SAY("SO_RCVTIMEO of -1 s", setsockopt(sides[0], SOL_SOCKET, SO_RCVTIMEO, &negative, sizeof negative));
    SAY("recv does not wait", recv(sides[0], &octet, 1, 0));
    MUST(getsockopt(sides[0], SOL_SOCKET, SO_RCVTIMEO, &limit, &len));
    printf("reads back as %ld\n", (long)limit.tv_sec);
    SAY("a million microseconds", setsockopt(sides[0], SOL_SOCKET, SO_RCVTIMEO, &odd, sizeof odd));
    SAY("-1 microsecond", setsockopt(sides[0], SOL_SOCKET, SO_SNDTIMEO, &before, sizeof before));
    int fd = tcp(AF_INET);
    SAY("SO_SNDTIMEO of -1 s", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &negative, sizeof negative));
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(sides[0], &readable);
    SAY("select", select(sides[0] + 1, &readable, NULL, NULL, &negative));
    struct pollfd entry = {.fd = sides[0], .events = POLLIN};
    struct timespec past = {.tv_sec = -1};
    SAY("ppoll", ppoll(&entry, 1, &past, NULL));
    struct linger linger = {.l_onoff = 1, .l_linger = -1};
    SAY("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    SAY("TCP_USER_TIMEOUT", setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){-1}, 4));
    SAY("TCP_KEEPIDLE", setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){-1}, 4));
    struct mmsghdr message = {0};
    SAY("recvmmsg", recvmmsg(udp(AF_INET), &message, 1, MSG_DONTWAIT, &past));
}

static void iovecs(void) {
    static struct iovec many[1025];
    static char text[1025];
    for (int i = 0; i < 1025; i++)
        many[i] = (struct iovec){&text[i], 1};
    int sides[2], datagrams = udp(AF_INET);
    pair(sides);
    MUST(bind(datagrams, OF(at("127.0.0.1", 0))));
    MUST(connect(datagrams, OF(at("127.0.0.1", port_of(datagrams)))));
    struct {
        const char *name;
        int from, to;
    } kinds[] = {{"TCP", sides[0], sides[1]}, {"UDP", datagrams, datagrams}};
    for (int i = 0; i < 2; i++) {
        printf("%s\n", kinds[i].name);
        int from = kinds[i].from, to = kinds[i].to;
        struct msghdr message = {.msg_iov = many, .msg_iovlen = 1024};
        COUNT("writev of 1,024", writev(from, many, 1024));
        COUNT("readv", readv(to, many, 1024));
        COUNT("sendmsg of 1,024", sendmsg(from, &message, 0));
        COUNT("recvmsg", recvmsg(to, &message, 0));
        COUNT("writev of 1,025", writev(from, many, 1025));
        COUNT("writev of -1", writev(from, many, -1));
        COUNT("readv of 1,025", readv(to, many, 1025));
        message.msg_iovlen = 1025;
        COUNT("sendmsg of 1,025", sendmsg(from, &message, 0));
        COUNT("recvmsg of 1,025", recvmsg(to, &message, 0));
        if (i == 0)
            COUNT("writev of none", writev(from, many, 0));
        struct iovec endless[2] = {{text, 1}, {text, -1L}};
        COUNT("a negative length", writev(from, endless, 2));
        COUNT("the list nowhere", writev(from, NOWHERE, 1));
        struct iovec nowhere[2] = {{"x", 1}, {NOWHERE, 1}};
        COUNT("its second part nowhere", writev(from, nowhere + 1, 1));
    }
}

static void bad_pointers(void) {
    int sides[2], datagrams = udp(AF_INET), server = listener("127.0.0.1", 8000);
    pair(sides);
    MUST(bind(datagrams, OF(at("127.0.0.1", 8001))));
    struct address to = at("127.0.0.1", 8001);
    char text[8];
    socklen_t len = sizeof(struct sockaddr_in);
    SAY("send", send(sides[0], NOWHERE, 10, 0));
    SAY("write", write(sides[0], NOWHERE, 10));
    MUST(send(sides[0], "abc", 3, 0));
    wait_for(sides[1], POLLIN);
    SAY("recv", recv(sides[1], NOWHERE, 3, 0));
    COUNT("nothing is lost", recv(sides[1], text, 8, 0));
    SAY("sendto", sendto(datagrams, NOWHERE, 10, 0, OF(to)));
    SAY("sendto nowhere", sendto(datagrams, "x", 1, 0, NOWHERE, len));
    MUST(sendto(datagrams, "abc", 3, 0, OF(to)));
    SAY("recvfrom whom", recvfrom(datagrams, text, 8, 0, NOWHERE, &len));
    MUST(sendto(datagrams, "abc", 3, 0, OF(to)));
    SAY("recvfrom of what length", recvfrom(datagrams, text, 8, 0, (void *)&to.storage, NULL));
    SAY("sendmsg", sendmsg(sides[0], NOWHERE, 0));
    SAY("recvmsg", recvmsg(sides[0], NOWHERE, MSG_DONTWAIT));
    SAY("sendmsg of UDP", sendmsg(datagrams, NOWHERE, 0));
    SAY("sendmmsg", sendmmsg(datagrams, NOWHERE, 1, 0));
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_name = &to.storage, .msg_namelen = to.len, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = NOWHERE, .msg_controllen = 24};
    SAY("control messages", sendmsg(datagrams, &message, 0));
    message.msg_controllen = 1 << 30;
    SAY("very many of them", sendmsg(datagrams, &message, 0));
    SAY("bind", bind(tcp(AF_INET), NOWHERE, len));
    SAY("connect", connect(tcp(AF_INET), NOWHERE, len));
    SAY("getsockname", getsockname(server, NOWHERE, &len));
    SAY("getsockname of what length", getsockname(server, (void *)&to.storage, NULL));
    len = -1;
    SAY("getsockname of a negative length", getsockname(server, (void *)&to.storage, &len));
    len = 4;
    SAY("getsockname of a short length", getsockname(server, (void *)&to.storage, &len));
    printf("length: %u\n", len);
    SAY("getpeername", getpeername(sides[0], NOWHERE, &len));
    client_of(server);
    wait_for(server, POLLIN);
    SAY("accept whom", accept(server, NOWHERE, &len));
    SAY("FIONREAD", ioctl(sides[0], FIONREAD, NOWHERE));
    SAY("FIONREAD of UDP", ioctl(datagrams, FIONREAD, NOWHERE));
    SAY("SIOCOUTQ", ioctl(sides[0], TIOCOUTQ, NOWHERE));
    SAY("an unknown ioctl", ioctl(sides[0], 0x12345, text));
}

SECTIONS({"queues", queues}, {"udp_size", udp_size}, {"send_after_shutdown", send_after_shutdown}, {"recv_after_reset", recv_after_reset},
         {"setsockopt_bad", setsockopt_bad}, {"absurd_buffers", absurd_buffers}, {"negative_timeouts", negative_timeouts},
         {"iovecs", iovecs}, {"bad_pointers", bad_pointers})
