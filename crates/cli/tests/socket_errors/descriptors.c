// Descriptors: none left, none of a socket, closed, copied, passed, with high numbers.

#include "common.h"

static void descriptors(void) {
    int server = listener("127.0.0.1", 8000), client = client_of(server);
    struct address to = at("127.0.0.1", 8000);
    int connection = MUST(accept(server, NULL, NULL)), fresh = tcp(AF_INET);
    client_of(server);
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    int highest = MUST(dup(0));
    MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){highest + 1, limit.rlim_max}));
    SAY("a socket", socket(AF_INET, SOCK_STREAM, 0));
    SAY("a UDP socket", socket(AF_INET6, SOCK_DGRAM, 0));
    SAY("accept", accept(server, NULL, NULL));
    SAY("accept4", accept4(server, NULL, NULL, SOCK_NONBLOCK));
    SAY("dup", dup(server));
    // What is open works on.
    SAY("connect", connect(fresh, OF(to)));
    SAY("an option", setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, 4));
    SAY("an address", getsockname(server, (void *)&to.storage, &to.len));
    SAY("text", write(client, "abc", 3));
    char text[8];
    COUNT("and its arrival", read(connection, text, 8));
    close(highest);
    SAY("with one free", accept(server, NULL, NULL));
    SAY("and none", socket(AF_INET, SOCK_STREAM, 0));
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    SAY("with all", socket(AF_INET, SOCK_STREAM, 0));
    // No room for so much beside the text: another errno.
    static char control[1 << 20];
    struct iovec part = {text, 1};
    to = at("127.0.0.1", 8000);
    struct msghdr message = {.msg_name = &to.storage, .msg_namelen = to.len, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    SAY("too many control messages", sendmsg(udp(AF_INET), &message, 0));
}

static void all_calls(int fd) {
    struct address address = at("127.0.0.1", 8000);
    char text[8];
    int value = 1;
    socklen_t len = 4;
    struct iovec part = {text, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct mmsghdr messages = {.msg_hdr = message};
    SAY("bind", bind(fd, OF(address)));
    SAY("listen", listen(fd, 1));
    SAY("accept", accept(fd, NULL, NULL));
    SAY("accept4", accept4(fd, NULL, NULL, SOCK_CLOEXEC));
    SAY("connect", connect(fd, OF(address)));
    SAY("send", send(fd, text, 1, MSG_NOSIGNAL));
    SAY("sendto", sendto(fd, text, 1, MSG_NOSIGNAL, OF(address)));
    SAY("sendmsg", sendmsg(fd, &message, MSG_NOSIGNAL));
    SAY("sendmmsg", sendmmsg(fd, &messages, 1, MSG_NOSIGNAL));
    SAY("recv", recv(fd, text, 1, MSG_DONTWAIT));
    SAY("recvfrom", recvfrom(fd, text, 1, MSG_DONTWAIT, (void *)&address.storage, &address.len));
    SAY("recvmsg", recvmsg(fd, &message, MSG_DONTWAIT));
    SAY("recvmmsg", recvmmsg(fd, &messages, 1, MSG_DONTWAIT, NULL));
    SAY("shutdown", shutdown(fd, SHUT_WR));
    SAY("getsockname", getsockname(fd, (void *)&address.storage, &address.len));
    SAY("getpeername", getpeername(fd, (void *)&address.storage, &address.len));
    SAY("setsockopt", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 4));
    SAY("getsockopt", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len));
}

static void not_a_socket(void) {
    int ends[2];
    MUST(pipe(ends));
    all_calls(ends[1]);
    printf("a file\n");
    all_calls(MUST(open("/dev/null", O_RDWR)));
    // A number that a socket had before.
    int fd = tcp(AF_INET);
    MUST(dup2(ends[1], fd));
    SAY("write to the pipe in its place", write(fd, "abc", 3));
    char text[8];
    COUNT("arrives", read(ends[0], text, 8));
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    SAY("a broken pipe", write(fd, "x", 1));
}

static void closed_fd(void) {
    int fd = tcp(AF_INET);
    close(fd);
    all_calls(fd);
    SAY("close", close(fd));
    SAY("-1", send(-1, "x", 1, 0));
    SAY("close of -1", close(-1));
    SAY("a number that is too high", send(1 << 20, "x", 1, 0));
    // Another socket takes the number: nothing of the first is left.
    int server = listener("127.0.0.1", 8000);
    int first = client_of(server), second;
    MUST(accept(server, NULL, NULL));
    close(first);
    second = udp(AF_INET);
    printf("the same number: %d\n", first == second);
    SAY("send without a destination", send(second, "x", 1, 0));
    SAY("sendto", sendto(second, "x", 1, 0, OF(at("127.0.0.1", 8000))));
    close(second);
    int third = tcp(AF_INET);
    char octet;
    SAY("read of the third", read(third, &octet, 1));
    close(third);
    int file = MUST(open("/dev/zero", O_RDONLY));
    COUNT("read of a file", read(file, &octet, 1));
}

static void fork_dup_pass(void) {
    int server = listener("127.0.0.1", 8000), client = client_of(server);
    int connection = MUST(accept(server, NULL, NULL)), copy = MUST(dup(connection));
    char text[8];
    close(connection);
    COUNT("through a copy", write(copy, "abc", 3));
    COUNT("arrives", read(client, text, 8));
    struct address one, two;
    one.len = two.len = sizeof one.storage;
    MUST(dup2(copy, connection));
    MUST(getpeername(copy, (void *)&one.storage, &one.len));
    MUST(getpeername(connection, (void *)&two.storage, &two.len));
    printf("the same peer: %d\n", memcmp(&one.storage, &two.storage, one.len) == 0);
    close(connection);

    if (fork() == 0) {
        write(copy, "child", 5);
        _exit(0);
    }
    wait(NULL);
    COUNT("the child's", read(client, text, 8));
    COUNT("the parent's", write(copy, "ab", 2));
    COUNT("arrives", read(client, text, 8));
    close(copy);
    COUNT("the end comes with the last", read(client, text, 8));

    // SCM_RIGHTS: a listener, to a process that has none of it.
    int channel[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, channel));
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec part = {text, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (fork() == 0) {
        close(server);
        MUST(recvmsg(channel[1], &message, 0));
        int passed;
        memcpy(&passed, CMSG_DATA(&control.header), sizeof passed);
        int accepted = MUST(accept(passed, NULL, NULL));
        MUST(write(accepted, "passed", 6));
        _exit(0);
    }
    memcpy(CMSG_DATA(&control.header), &server, sizeof server);
    MUST(sendmsg(channel[0], &message, 0));
    client = client_of(server);
    COUNT("accepted by another process", read(client, text, 8));
    wait(NULL);

    SAY("SOCK_CLOEXEC", fcntl(MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), F_GETFD) == FD_CLOEXEC ? 0 : -1);
    SAY("SOCK_NONBLOCK", fcntl(MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), F_GETFL) & O_NONBLOCK ? 0 : -1);
    client_of(server);
    int fd = MUST(accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    printf("accepted so: %d %d\n", fcntl(fd, F_GETFD) == FD_CLOEXEC, (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    fcntl(fd, F_SETFD, 0);

    // close_range takes everything, and sockets work again afterwards.
    client = client_of(server);
    connection = MUST(accept(server, NULL, NULL));
    MUST(dup2(client, 100));
    SAY("close_range", close_range(101, ~0U, 0));
    COUNT("what was left", write(100, "abc", 3));
    COUNT("arrives", read(connection, text, 8));
    SAY("close_range of all", close_range(3, ~0U, 0));
    SAY("a new socket", listener("127.0.0.1", 8001));
    SAY("and a connection", connect(tcp(AF_INET), OF(at("127.0.0.1", 8001))));
}

static void high_numbers(void) {
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit.rlim_max < 4000 ? limit.rlim_max : 4000, limit.rlim_max}));
    int server = listener("127.0.0.1", 8000), low = client_of(server), connection = MUST(accept(server, NULL, NULL));
    int high = MUST(fcntl(low, F_DUPFD, 2000));
    printf("number %d\n", high);
    // A set as large as the kernel wants it: glibc's own has 1,024.
    static fd_mask bits[4096 / NFDBITS];
    bits[high / NFDBITS] |= 1UL << high % NFDBITS;
    struct timeval at_once = {0};
    COUNT("not readable", select(high + 1, (void *)bits, NULL, NULL, &at_once));
    MUST(write(connection, "abc", 3));
    bits[high / NFDBITS] |= 1UL << high % NFDBITS;
    struct timeval soon = {.tv_sec = 5};
    COUNT("readable", select(high + 1, (void *)bits, NULL, NULL, &soon));
    printf("it is that one: %d\n", (bits[high / NFDBITS] >> high % NFDBITS & 1) == 1);
    char text[8];
    COUNT("read", read(high, text, 8));
    int udp_high = MUST(fcntl(udp(AF_INET), F_DUPFD, 3000));
    SAY("a UDP socket", sendto(udp_high, "x", 1, 0, OF(at("127.0.0.1", 8001))));
    SAY("select of a closed one", ({
            fd_mask closed[4096 / NFDBITS] = {0};
            closed[3500 / NFDBITS] |= 1UL << 3500 % NFDBITS;
            at_once = (struct timeval){0};
            select(3501, (void *)closed, NULL, NULL, &at_once);
        }));
    SAY("a negative count", select(-1, NULL, NULL, NULL, &at_once));
    // A program that closes what it does not know takes nothing away.
    for (int fd = 3001; fd < 4000; fd++)
        close(fd);
    SAY("an option afterwards", setsockopt(high, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, 4));
}

// A server at its limit is told once for each call, waits in poll, and goes on when there is room.
static void accept_exhausted(void) {
    int server = listener("127.0.0.1", 8000);
    set_blocking(server, false);
    for (int i = 0; i < 4; i++)
        client_of(server);
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    int spare = MUST(dup(0));
    MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){spare + 1, limit.rlim_max}));
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double began = now();
    int calls = 0;
    while (now() - began < 0.3) {
        int accepted = accept(server, NULL, NULL);
        if (accepted >= 0 || errno != EMFILE)
            break;
        calls++;
        usleep(10 * 1000);
    }
    getrusage(RUSAGE_SELF, &after);
    long used = (after.ru_utime.tv_usec - before.ru_utime.tv_usec) + (after.ru_stime.tv_usec - before.ru_stime.tv_usec)
        + 1000000 * ((after.ru_utime.tv_sec - before.ru_utime.tv_sec) + (after.ru_stime.tv_sec - before.ru_stime.tv_sec));
    printf("told again and again: %d\n", calls > 3);
    printf("little time used: %d\n", used < 150000);
    printf("the connection is not lost: %d\n", (wait_for(server, POLLIN) & POLLIN) != 0);
    close(spare);
    SAY("with room", accept(server, NULL, NULL));
    SAY("and without", accept(server, NULL, NULL));
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    for (int i = 0; i < 4; i++)
        SAY("the rest", accept(server, NULL, NULL));
}

// Nor is what waited for a listener that is closed.
static void accept_dropped(void) {
    int server = listener("127.0.0.1", 8000), client = client_of(server);
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){client + 1, limit.rlim_max}));
    SAY("accept without room", accept(server, NULL, NULL));
    close(server);
    char octet;
    printf("the client is told: %d\n", wait_for(client, POLLIN) != 0);
    COUNT("it reads", read(client, &octet, 1));
}

SECTIONS({"descriptors", descriptors}, {"not_a_socket", not_a_socket}, {"closed_fd", closed_fd},
         {"fork_dup_pass", fork_dup_pass}, {"high_numbers", high_numbers}, {"accept_exhausted", accept_exhausted},
         {"accept_dropped", accept_dropped})
