// Urgent octets: what poll says of them, when they may be read, and how they are sent (tcp(7), RFC 6093).

#include "common.h"

static const char *mask_of(int fd) {
    static char text[64];
    struct pollfd entry = {.fd = fd, .events = POLLIN | POLLPRI | POLLRDHUP};
    poll(&entry, 1, 0);
    snprintf(text, sizeof text, "%s%s%s", entry.revents & POLLIN ? "IN " : "", entry.revents & POLLPRI ? "PRI " : "",
             entry.revents & POLLRDHUP ? "RDHUP " : "");
    return text;
}

static void show(const char *what, int fd) {
    int mark = -1;
    ioctl(fd, SIOCATMARK, &mark);
    printf("%s: %sat mark %d\n", what, mask_of(fd), mark);
}

static void read_urgent(int fd) {
    char octet = '-';
    errno = 0;
    ssize_t len = recv(fd, &octet, 1, MSG_OOB | MSG_DONTWAIT);
    printf("urgent: %zd %c %s\n", len, octet, len < 0 ? strerrorname_np(errno) : "");
}

static void read_text(int fd) {
    char text[64] = {0};
    errno = 0;
    ssize_t len = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    printf("text: %zd %s %s\n", len, text, len < 0 ? strerrorname_np(errno) : "");
}

static void urgent(void) {
    int sides[2];
    pair(sides);
    show("nothing", sides[1]);
    read_urgent(sides[1]);
    SAY("alone", send(sides[0], "U", 1, MSG_OOB));
    wait_for(sides[1], POLLPRI);
    usleep(100000);
    show("alone", sides[1]);
    read_text(sides[1]);
    show("after a read", sides[1]);
    read_urgent(sides[1]);
    show("after it is read", sides[1]);
    read_urgent(sides[1]);
    SAY("in pieces", sendmsg(sides[0], &(struct msghdr){.msg_iov = (struct iovec[]){{"ab", 2}, {"", 0}, {"cV", 2}}, .msg_iovlen = 3}, MSG_OOB));
    wait_for(sides[1], POLLPRI);
    usleep(100000);
    show("behind text", sides[1]);
    read_text(sides[1]);
    show("at the mark", sides[1]);
    SAY("more", send(sides[0], "de", 2, 0));
    usleep(100000);
    show("text behind", sides[1]);
    read_text(sides[1]);
    show("past the mark", sides[1]);
    read_urgent(sides[1]);
    SAY("nothing as urgent", send(sides[0], "", 0, MSG_OOB));
    // The other way, and two in a row: the first becomes ordinary text.
    SAY("one", send(sides[1], "1X", 2, MSG_OOB));
    SAY("two", send(sides[1], "2Y", 2, MSG_OOB));
    usleep(200000);
    show("two", sides[0]);
    read_text(sides[0]);
    read_urgent(sides[0]);
    read_text(sides[0]);
    close(sides[0]);
    close(sides[1]);
}

static void inherited(void) {
    int server = listener("127.0.0.1", 0), on = 1;
    set(server, SOL_SOCKET, SO_OOBINLINE, on);
    int client = client_of(server), accepted = MUST(accept(server, NULL, NULL));
    printf("accepted: %d client: %d\n", option(accepted, SOL_SOCKET, SO_OOBINLINE), option(client, SOL_SOCKET, SO_OOBINLINE));
    SAY("sent", send(client, "abZ", 3, MSG_OOB));
    wait_for(accepted, POLLPRI);
    usleep(100000);
    show("in line", accepted);
    read_urgent(accepted);
    read_text(accepted);
    read_text(accepted);
    set(accepted, SOL_SOCKET, SO_OOBINLINE, 0);
    SAY("sent", send(client, "Q", 1, MSG_OOB));
    wait_for(accepted, POLLPRI);
    usleep(100000);
    show("not in line any more", accepted);
    read_urgent(accepted);
    int other = listener("127.0.0.1", 0);
    client = client_of(other);
    usleep(100000);
    set(other, SOL_SOCKET, SO_OOBINLINE, on);
    accepted = MUST(accept(other, NULL, NULL));
    printf("set after the handshake: %d\n", option(accepted, SOL_SOCKET, SO_OOBINLINE));
}

// The urgent octet is announced, and waits behind text that the window has no room for.
static void announced(void) {
    int sides[2];
    static char text[4 << 20];
    int server = tcp(AF_INET);
    set(server, SOL_SOCKET, SO_RCVBUF, 4096);
    MUST(bind(server, OF(at("127.0.0.1", 0))));
    MUST(listen(server, 1));
    sides[0] = tcp(AF_INET);
    set(sides[0], SOL_SOCKET, SO_SNDBUF, 200000);
    MUST(connect(sides[0], OF(at("127.0.0.1", port_of(server)))));
    sides[1] = MUST(accept(server, NULL, NULL));
    set_blocking(sides[0], false);
    ssize_t sent = send(sides[0], text, 50000, 0);
    printf("much is sent: %d\n", sent == 50000);
    SAY("urgent", send(sides[0], "U", 1, MSG_OOB));
    wait_for(sides[1], POLLPRI);
    usleep(300000);
    read_urgent(sides[1]);
    long got = 0;
    while (got < sent) {
        ssize_t len = recv(sides[1], text, sizeof text, MSG_DONTWAIT);
        if (len > 0) got += len;
        else if (wait_for(sides[1], POLLIN) == 0) break;
    }
    printf("all before it: %d\n", got == sent);
    usleep(200000);
    read_urgent(sides[1]);
}

SECTIONS({"urgent", urgent}, {"inherited", inherited}, {"announced", announced})
