// What poll, epoll and select say of a socket, event by event.

#include "common.h"
#include <linux/errqueue.h>
#include <sys/epoll.h>

#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

static void print_mask(int mask) {
    printf(" %s%s%s%s%s%s", mask & POLLIN ? "IN," : "", mask & POLLOUT ? "OUT," : "", mask & POLLPRI ? "PRI," : "",
           mask & POLLERR ? "ERR," : "", mask & POLLHUP ? "HUP," : "", mask & POLLRDHUP ? "RDHUP," : "");
}

// Events that were waited for, and then all there are: by poll, by epoll, by select.
static void show(const char *what, int fd) {
    usleep(150000);
    struct pollfd entry = {.fd = fd, .events = ALL};
    poll(&entry, 1, 0);
    printf("%s: poll", what);
    print_mask(entry.revents);
    int epoll = epoll_create1(0);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP}, seen = {0};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
    epoll_wait(epoll, &seen, 1, 0);
    printf(" epoll");
    print_mask(seen.events);
    close(epoll);
    fd_set sets[3];
    for (int i = 0; i < 3; i++) {
        FD_ZERO(&sets[i]);
        FD_SET(fd, &sets[i]);
    }
    struct timeval none = {0};
    int ready = select(fd + 1, &sets[0], &sets[1], &sets[2], &none);
    printf(" select %d: %d%d%d\n", ready, !!FD_ISSET(fd, &sets[0]), !!FD_ISSET(fd, &sets[1]), !!FD_ISSET(fd, &sets[2]));
}

static void streams(void) {
    int sides[2];
    show("fresh", tcp(AF_INET));
    int server = listener("127.0.0.1", 0);
    show("listening", server);
    int client = client_of(server);
    show("somebody waits", server);
    int accepted = MUST(accept(server, NULL, NULL));
    show("accepted", accepted);
    show("connected", client);
    MUST(shutdown(client, SHUT_WR));
    show("has sent FIN", client);
    show("has received FIN", accepted);
    MUST(shutdown(accepted, SHUT_WR));
    show("FIN both ways", client);
    show("FIN both ways, the other", accepted);
    close(client);
    close(accepted);
    pair(sides);
    MUST(shutdown(sides[0], SHUT_RD));
    show("shut for reading", sides[0]);
    show("its peer", sides[1]);
    close(sides[0]);
    close(sides[1]);
    pair(sides);
    MUST(shutdown(sides[0], SHUT_RDWR));
    show("shut both ways", sides[0]);
    show("its peer", sides[1]);
    close(sides[0]);
    close(sides[1]);
    pair(sides);
    reset(sides[0]);
    show("reset", sides[1]);
    printf("SO_ERROR %s\n", strerrorname_np(option(sides[1], SOL_SOCKET, SO_ERROR)));
    show("reset, and told", sides[1]);
    close(sides[1]);
    pair(sides);
    SAY("text", send(sides[0], "abc", 3, 0));
    close(sides[0]);
    show("text and FIN", sides[1]);
    char text[8];
    COUNT("read", recv(sides[1], text, sizeof text, 0));
    show("FIN", sides[1]);
    COUNT("read", recv(sides[1], text, sizeof text, 0));
    show("FIN, read", sides[1]);
    close(sides[1]);
    pair(sides);
    SAY("text", send(sides[0], "abc", 3, 0));
    usleep(100000);
    reset(sides[0]);
    show("text and reset", sides[1]);
    close(sides[1]);
    close(server);
    server = tcp(AF_INET);
    MUST(bind(server, OF(at("127.0.0.1", 0))));
    show("bound", server);
    client = tcp(AF_INET);
    set_blocking(client, false);
    SAY("connecting", connect(client, OF(at("127.0.0.1", port_of(server)))));
    show("refused", client);
    printf("SO_ERROR %s\n", strerrorname_np(option(client, SOL_SOCKET, SO_ERROR)));
    show("refused, and told", client);
    close(client);
    client = tcp(AF_INET);
    set_blocking(client, false);
    SAY("connecting", connect(client, OF(at("127.0.0.1", silent_port()))));
    show("connecting", client);
    close(client);
}

// All that epoll says until it has said `wanted`, two seconds at most. One edge need not bring all of it: the text of a
// connection comes after its room, and the room of a reset one may come after its end.
static struct epoll_event gather(int epoll, uint32_t wanted) {
    struct epoll_event last = {0}, all = {0};
    for (double until = now() + 2; (all.events & wanted) != wanted && now() < until;) {
        if (epoll_wait(epoll, &last, 1, 50) == 1) {
            all.events |= last.events;
            all.data = last.data;
        }
    }
    printf("epoll:");
    print_mask(all.events);
    return all;
}

// What recvmsg finds in the error queue.
static void read_report(int fd) {
    char text[64], control[256];
    struct iovec part = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    COUNT("report", recvmsg(fd, &message, MSG_ERRQUEUE));
}

static int nobody(void) {
    int server = udp(AF_INET);
    MUST(bind(server, OF(at("127.0.0.1", 0))));
    int port = port_of(server);
    close(server);
    return port;
}

// As show, without epoll.
static void show_simple(const char *what, int fd) {
    usleep(150000);
    struct pollfd entry = {.fd = fd, .events = ALL};
    poll(&entry, 1, 0);
    printf("%s:", what);
    print_mask(entry.revents);
    fd_set sets[2];
    for (int i = 0; i < 2; i++) {
        FD_ZERO(&sets[i]);
        FD_SET(fd, &sets[i]);
    }
    struct timeval none = {0};
    int ready = select(fd + 1, &sets[0], &sets[1], NULL, &none);
    printf(" select %d: %d%d\n", ready, !!FD_ISSET(fd, &sets[0]), !!FD_ISSET(fd, &sets[1]));
}

static void datagrams(void) {
    int fd = udp(AF_INET);
    show_simple("fresh", fd);
    MUST(connect(fd, OF(at("127.0.0.1", nobody()))));
    show_simple("connected", fd);
    COUNT("to nobody", send(fd, "x", 1, 0));
    show_simple("refused", fd);
    printf("SO_ERROR %s\n", strerrorname_np(option(fd, SOL_SOCKET, SO_ERROR)));
    show_simple("told", fd);
    COUNT("to nobody", send(fd, "x", 1, 0));
    show_simple("refused", fd);
    COUNT("send", send(fd, "x", 1, 0));
    usleep(150000);
    char octet;
    COUNT("read", recv(fd, &octet, 1, MSG_DONTWAIT));
    COUNT("read", recv(fd, &octet, 1, MSG_DONTWAIT));
    show_simple("told", fd);
    set(fd, IPPROTO_IP, IP_RECVERR, 1);
    COUNT("to nobody", send(fd, "x", 1, 0));
    show_simple("refused, with a report", fd);
    COUNT("read", recv(fd, &octet, 1, MSG_DONTWAIT));
    show_simple("told, not in full", fd);
    COUNT("read", recv(fd, &octet, 1, MSG_DONTWAIT));
    read_report(fd);
    show_simple("told in full", fd);
    COUNT("to nobody", send(fd, "x", 1, 0));
    usleep(150000);
    read_report(fd);
    show_simple("told in full", fd);
    read_report(fd);
    // A datagram behind an error.
    int own = udp(AF_INET);
    MUST(bind(own, OF(at("127.0.0.1", 0))));
    int gone = udp(AF_INET);
    MUST(bind(gone, OF(at("127.0.0.1", 0))));
    MUST(connect(own, OF(at("127.0.0.1", port_of(gone)))));
    MUST(connect(gone, OF(at("127.0.0.1", port_of(own)))));
    COUNT("datagram", send(gone, "abc", 3, 0));
    show_simple("a datagram", own);
    close(gone);
    COUNT("to nobody", send(own, "x", 1, 0));
    show_simple("a datagram and an error", own);
    COUNT("first", recv(own, &octet, 1, MSG_DONTWAIT));
    COUNT("second", recv(own, &octet, 1, MSG_DONTWAIT));
    COUNT("third", recv(own, &octet, 1, MSG_DONTWAIT));
    MUST(shutdown(own, SHUT_RD));
    show_simple("shut for reading", own);
    MUST(shutdown(own, SHUT_WR));
    show_simple("shut both ways", own);
    close(own);
}

// Whoever waits in poll is woken by an error, whatever he waits for.
static void woken(void) {
    for (int waits_for = 0; waits_for < 2; waits_for++) {
        int fd = udp(AF_INET);
        set(fd, IPPROTO_IP, IP_RECVERR, waits_for);
        MUST(connect(fd, OF(at("127.0.0.1", nobody()))));
        int epoll = MUST(epoll_create1(0));
        struct epoll_event wanted = {.events = EPOLLET | EPOLLIN | EPOLLPRI}, seen = {0};
        MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted));
        for (int round = 0; round < 2; round++) {
            COUNT("to nobody", send(fd, "x", 1, 0));
            int ready = epoll_wait(epoll, &seen, 1, 2000);
            printf("woken %d:", ready);
            print_mask(seen.events);
            printf("\n");
            char octet;
            COUNT("read", recv(fd, &octet, 1, MSG_DONTWAIT));
            read_report(fd);
        }
        close(epoll);
        close(fd);
    }
}

// A socket whose connect failed is connected once more, and stays where it was registered.
static void again(void) {
    int fd = tcp(AF_INET), epoll = MUST(epoll_create1(0));
    int closed = tcp(AF_INET), server = listener("127.0.0.1", 0);
    MUST(bind(closed, OF(at("127.0.0.1", 0))));
    set_blocking(fd, false);
    struct epoll_event wanted = {.events = EPOLLET | EPOLLIN | EPOLLOUT | EPOLLRDHUP, .data.u64 = 0x1234}, seen = {0};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted));
    while (epoll_wait(epoll, &seen, 1, 100) == 1) {}
    int copy = dup(fd);
    for (int round = 0; round < 2; round++) {
        SAY("nobody there", connect(fd, OF(at("127.0.0.1", port_of(closed)))));
        gather(epoll, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
        printf(" %s\n", strerrorname_np(option(fd, SOL_SOCKET, SO_ERROR)));
        SAY("told once more", connect(fd, OF(at("127.0.0.1", port_of(closed)))));
        while (epoll_wait(epoll, &seen, 1, 50) == 1) {}
    }
    SAY("somebody there", connect(fd, OF(at("127.0.0.1", port_of(server)))));
    seen = gather(epoll, EPOLLOUT);
    printf(" %d %llx\n", option(fd, SOL_SOCKET, SO_ERROR), (unsigned long long)seen.data.u64);
    int accepted = MUST(accept(server, NULL, NULL));
    COUNT("text", send(accepted, "abc", 3, 0));
    gather(epoll, EPOLLIN | EPOLLOUT);
    char text[8];
    COUNT(" read", recv(fd, text, sizeof text, 0));
    COUNT("by the copy", send(copy, "de", 2, 0));
    wait_for(accepted, POLLIN);
    COUNT("read", recv(accepted, text, sizeof text, MSG_DONTWAIT));
    struct epoll_event other = {.events = EPOLLIN};
    SAY("registered still", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &other));
    SAY("changed", epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &other));
    reset(accepted);
    gather(epoll, EPOLLIN | EPOLLERR | EPOLLHUP);
    printf("\n");
    // To fail, to be closed: nothing is left in the epoll instance.
    close(copy);
    close(fd);
    printf("epoll %d\n", epoll_wait(epoll, &seen, 1, 50));
}

SECTIONS({"streams", streams}, {"datagrams", datagrams}, {"woken", woken}, {"again", again})
