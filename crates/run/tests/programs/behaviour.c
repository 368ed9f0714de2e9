/* What a program sees of its sockets, one line per fact. Run on the kernel and on the stack, the lines must be equal.
   Addresses are loopback, ports are written relative to what they should be, times are left out. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *err(long result) {
    static char text[64];
    if (result >= 0) snprintf(text, sizeof text, "%ld", result);
    else snprintf(text, sizeof text, "%s", strerrorname_np(errno));
    return text;
}
#define SAY(...) (printf(__VA_ARGS__), putchar('\n'), fflush(stdout))

static struct sockaddr_in v4(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}
static struct sockaddr_in6 v6(int port) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return a;
}
#define ADDR(a) ((struct sockaddr *)&(a)), sizeof(a)

static int port_of(int fd) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &len)) return -1;
    return ntohs(((struct sockaddr_in *)&a)->sin_port);
}
static int listener(int family, int *port) {
    int fd = socket(family, SOCK_STREAM, 0);
    struct sockaddr_in a4 = v4(0);
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
    if (family == AF_INET) { if (bind(fd, ADDR(a4))) SAY("bind: %s", err(-1)); }
    else if (bind(fd, ADDR(a6))) SAY("bind: %s", err(-1));
    if (listen(fd, 16)) SAY("listen: %s", err(-1));
    *port = port_of(fd);
    return fd;
}
static void couple(int *client, int *server) {
    int port, l = listener(AF_INET, &port);
    struct sockaddr_in to = v4(port);
    *client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(*client, ADDR(to))) SAY("couple: connect %s", err(-1));
    *server = accept(l, NULL, NULL);
    if (*server < 0) SAY("couple: accept %s", err(-1));
    close(l);
}
static int masks(int fd, int wait_ms, int want) {
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    for (int waited = 0;; waited += 5) {
        poll(&p, 1, 0);
        if ((want && (p.revents & want) == want) || waited >= wait_ms) return p.revents;
        usleep(5000);
    }
}
static const char *mask(int m) {
    static char text[64];
    snprintf(text, sizeof text, "%s%s%s%s%s", m & POLLIN ? "IN " : "", m & POLLOUT ? "OUT " : "", m & POLLERR ? "ERR " : "",
             m & POLLHUP ? "HUP " : "", m & POLLRDHUP ? "RDHUP " : "");
    return text;
}
static volatile int pipes;
static void on_pipe(int s) { (void)s; pipes++; }
static volatile int alarms;
static void on_alarm(int s) { (void)s; alarms++; }

static void fresh(void) {
    int kinds[] = {SOCK_STREAM, SOCK_DGRAM}, families[] = {AF_INET, AF_INET6};
    for (int k = 0; k < 2; k++)
        for (int f = 0; f < 2; f++) {
            int fd = socket(families[f], kinds[k] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), v;
            socklen_t len = sizeof v;
            SAY("fresh %d %d: fd %d flags %d cloexec %d poll %s", k, f, fd, !!(fcntl(fd, F_GETFL) & O_NONBLOCK), fcntl(fd, F_GETFD),
                mask(masks(fd, 0, 0)));
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len); SAY("type %d len %d", v, len);
            getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &v, &len); SAY("domain %d", v);
            getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &v, &len); SAY("protocol %d", v);
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len); SAY("error %d", v);
            getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &len); SAY("acceptconn %d", v);
            struct sockaddr_storage a;
            len = sizeof a; memset(&a, 1, sizeof a);
            SAY("getsockname %s", err(getsockname(fd, (struct sockaddr *)&a, &len)));
            SAY("family %d len %d port %d", a.ss_family, len, ntohs(((struct sockaddr_in *)&a)->sin_port));
            len = 4; memset(&a, 1, sizeof a);
            SAY("short getsockname %s", err(getsockname(fd, (struct sockaddr *)&a, &len)));
            SAY("len %d fifth octet %d", len, ((char *)&a)[4]);
            len = sizeof a;
            SAY("getpeername %s", err(getpeername(fd, (struct sockaddr *)&a, &len)));
            char c;
            SAY("recv %s", err(recv(fd, &c, 1, 0)));
            SAY("read %s", err(read(fd, &c, 1)));
            SAY("send %s", err(send(fd, "x", 1, MSG_NOSIGNAL)));
            SAY("shutdown %s", err(shutdown(fd, SHUT_WR)));
            SAY("accept %s", err(accept(fd, NULL, NULL)));
            if (k) SAY("listen %s", err(listen(fd, 5)));
            SAY("close %s", err(close(fd)));
            SAY("close again %s", err(close(fd)));
        }
    SAY("bad fd: %s", err(getsockname(99, NULL, NULL)));
    SAY("raw is refused %d", socket(AF_INET, SOCK_RAW, IPPROTO_TCP) < 0 || geteuid() == 0);
    SAY("stream/udp %s", err(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)));
    SAY("dgram/tcp %s", err(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP)));
    SAY("seqpacket %s", err(socket(AF_INET, SOCK_SEQPACKET, 0)));
    SAY("type 77 %s", err(socket(AF_INET, 77, 0)));
    SAY("sigpipe on a fresh stream:");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    pipes = 0;
    SAY("write %s", err(write(fd, "x", 1)));
    SAY("raised %d", pipes);
    close(fd);
}

static void binds(void) {
    int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in to = v4(0);
    SAY("bind %s", err(bind(a, ADDR(to))));
    int port = port_of(a);
    SAY("port set %d", port > 0);
    SAY("bind twice %s", err(bind(a, ADDR(to))));
    to.sin_port = htons(port);
    SAY("bind taken %s", err(bind(b, ADDR(to))));
    SAY("bind short %s", err(bind(b, (struct sockaddr *)&to, 8)));
    SAY("bind null %s", err(bind(b, NULL, 16)));
    SAY("bind bad pointer %s", err(bind(b, (struct sockaddr *)16, 16)));
    struct sockaddr_in foreign = {.sin_family = AF_INET};
    inet_pton(AF_INET, "192.0.2.77", &foreign.sin_addr);
    SAY("bind foreign %s", err(bind(b, ADDR(foreign))));
    struct sockaddr_in6 six = v6(0);
    SAY("bind v6 on v4 %s", err(bind(b, ADDR(six))));
    SAY("bind v4 on v6 %s", err(bind(s, ADDR(to))));
    close(a);
    SAY("bind freed %s", err(bind(b, ADDR(to))));
    SAY("listen %s", err(listen(b, 5)));
    SAY("listen again %s", err(listen(b, 9)));
    SAY("connect a listener %s", err(connect(b, ADDR(to))));
    int v; socklen_t len = sizeof v;
    getsockopt(b, SOL_SOCKET, SO_ACCEPTCONN, &v, &len); SAY("acceptconn %d", v);
    SAY("listener poll %s", mask(masks(b, 0, 0)));
    char c;
    SAY("recv on listener %s", err(recv(b, &c, 1, 0)));
    SAY("send on listener %s", err(send(b, "x", 1, MSG_NOSIGNAL)));
    close(b); close(s);
    int l = socket(AF_INET, SOCK_STREAM, 0);
    SAY("listen unbound %s", err(listen(l, 5)));
    SAY("port set %d", port_of(l) > 0);
    SAY("unix left alone %s", err(close(socket(AF_UNIX, SOCK_STREAM, 0))));
    close(l);
}

static void connects(void) {
    int port, l = listener(AF_INET6, &port);
    struct sockaddr_in to = v4(port);
    struct sockaddr_in6 to6 = v6(port);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    SAY("connect null %s", err(connect(c, NULL, 16)));
    SAY("connect short %s", err(connect(c, (struct sockaddr *)&to, 4)));
    SAY("connect v6 on v4 %s", err(connect(c, ADDR(to6))));
    SAY("connect %s", err(connect(c, ADDR(to))));
    SAY("connect again %s", err(connect(c, ADDR(to))));
    struct sockaddr_in6 a; socklen_t len = sizeof a;
    int s = accept4(l, (struct sockaddr *)&a, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    char text[64];
    SAY("accepted family %d len %d addr %s port right %d", a.sin6_family, len, inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text),
        ntohs(a.sin6_port) == port_of(c));
    SAY("flags %d cloexec %d", !!(fcntl(s, F_GETFL) & O_NONBLOCK), fcntl(s, F_GETFD));
    len = sizeof a; getsockname(s, (struct sockaddr *)&a, &len);
    SAY("local %s port right %d", inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text), ntohs(a.sin6_port) == port);
    len = sizeof a; getpeername(s, (struct sockaddr *)&a, &len);
    SAY("peer %s port right %d", inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text), ntohs(a.sin6_port) == port_of(c));
    struct sockaddr_in a4; len = sizeof a4; getpeername(c, (struct sockaddr *)&a4, &len);
    SAY("client peer family %d addr %s port right %d", a4.sin_family, inet_ntoa(a4.sin_addr), ntohs(a4.sin_port) == port);
    len = sizeof a4; getsockname(c, (struct sockaddr *)&a4, &len);
    SAY("client local %s", inet_ntoa(a4.sin_addr));
    SAY("poll client %s", mask(masks(c, 0, 0)));
    SAY("poll server %s", mask(masks(s, 0, 0)));
    SAY("recv nothing %s", err(recv(s, text, 1, 0)));
    SAY("connect an accepted one %s", err(connect(s, ADDR(to6))));
    SAY("send %s", err(send(c, "hello", 5, 0)));
    masks(s, 1000, POLLIN);
    int n = -1; ioctl(s, FIONREAD, &n); SAY("fionread %d", n);
    memset(&a, 7, sizeof a); len = sizeof a;
    SAY("recvfrom %s", err(recvfrom(s, text, 3, 0, (struct sockaddr *)&a, &len)));
    SAY("peek %s", err(recv(s, text, 64, MSG_PEEK)));
    SAY("recv %s %.2s", err(recv(s, text, 64, 0)), text);
    struct iovec io[2] = {{"ab", 2}, {"cd", 2}};
    SAY("writev %s", err(writev(c, io, 2)));
    struct msghdr m = {.msg_iov = io, .msg_iovlen = 2, .msg_name = &to, .msg_namelen = sizeof to};
    SAY("sendmsg with name %s", err(sendmsg(c, &m, 0)));
    SAY("sendto with name %s", err(sendto(c, "ef", 2, 0, ADDR(to))));
    masks(s, 1000, POLLIN); usleep(50000);
    char part[64] = {0}; struct iovec in = {part, sizeof part}; struct sockaddr_in6 from;
    struct msghdr r = {.msg_iov = &in, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from};
    SAY("recvmsg %s", err(recvmsg(s, &r, 0)));
    SAY("text %s namelen %d", part, r.msg_namelen);
    close(c);
    SAY("poll after close %s", mask(masks(s, 1000, POLLRDHUP)));
    SAY("recv end %s", err(recv(s, part, 64, 0)));
    SAY("send after fin %s", err(send(s, "x", 1, MSG_NOSIGNAL)));
    usleep(100000);
    SAY("send after that %s", err(send(s, "x", 1, MSG_NOSIGNAL)));
    close(s); close(l);
    usleep(150000);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SAY("refused %s", err(connect(c, ADDR(to))));
    SAY("refused again %s", err(connect(c, ADDR(to))));
    int l2 = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(l2, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    SAY("bind %s", err(bind(l2, ADDR(to)))); listen(l2, 5);
    SAY("third try %s", err(connect(c, ADDR(to))));
    close(c); close(l2); usleep(150000);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SAY("nonblocking %s", err(connect(c, ADDR(to))));
    SAY("poll refused %s", mask(masks(c, 1000, POLLERR)));
    int v; len = sizeof v;
    getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &len); SAY("so_error %s", strerrorname_np(v));
    getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &len); SAY("so_error again %d", v);
    close(c);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(c, ADDR(to)); masks(c, 1000, POLLERR);
    SAY("read refused %s", err(read(c, part, 1)));
    close(c);
    l = listener(AF_INET, &port); to = v4(port);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLOUT | EPOLLIN | EPOLLET | EPOLLRDHUP, .data.fd = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c, &e);
    epoll_wait(ep, &e, 1, 0);
    SAY("nonblocking %s", err(connect(c, ADDR(to))));
    SAY("edge %d", epoll_wait(ep, &e, 1, 2000)); SAY("events %s", mask(e.events & 0xffff));
    getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &len); SAY("so_error %d", v);
    SAY("connect tells %s", err(connect(c, ADDR(to))));
    SAY("then %s", err(connect(c, ADDR(to))));
    s = accept(l, NULL, NULL);
    /* Edges may come twice; what matters is that they stop. */
    usleep(50000); epoll_wait(ep, &e, 1, 0);
    SAY("quiet %d", epoll_wait(ep, &e, 1, 50));
    if (write(s, "1", 1) != 1) SAY("write failed");
    SAY("edge %d", epoll_wait(ep, &e, 1, 1000)); SAY("events %s", mask(e.events & 0xffff));
    shutdown(s, SHUT_WR);
    epoll_wait(ep, &e, 1, 1000); usleep(20000);
    SAY("poll half closed %s", mask(masks(c, 1000, POLLRDHUP)));
    SAY("read %s", err(read(c, part, 9))); SAY("read %s", err(read(c, part, 9)));
    SAY("write %s", err(write(c, "22", 2)));
    SAY("server reads %s", err(recv(s, part, 9, MSG_WAITALL & 0)));
    SAY("shutdown %s", err(shutdown(c, SHUT_WR)));
    SAY("server end %s", err(recv(s, part, 9, 0)));
    SAY("poll both %s", mask(masks(s, 500, POLLHUP)));
    SAY("write after shutdown %s", err(send(c, "x", 1, MSG_NOSIGNAL)));
    close(ep); close(c); close(s); close(l);
}

static void resets(void) {
    int c, s; char part[64];
    struct linger hard = {1, 0};
    couple(&c, &s);
    if (send(s, "text", 4, 0) != 4) SAY("send failed");
    masks(c, 1000, POLLIN);
    setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(s);
    SAY("poll reset %s", mask(masks(c, 1000, POLLERR)));
    SAY("text first %s", err(read(c, part, 64)));
    SAY("then %s", err(read(c, part, 64)));
    SAY("then %s", err(read(c, part, 64)));
    pipes = 0;
    SAY("write %s", err(write(c, "x", 1))); SAY("raised %d", pipes);
    close(c);
    couple(&c, &s);
    setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(s); masks(c, 1000, POLLERR);
    pipes = 0;
    SAY("first write after a reset %s", err(write(c, "x", 1))); SAY("raised %d", pipes);
    SAY("second %s", err(write(c, "x", 1))); SAY("raised %d", pipes);
    SAY("nosignal %s", err(send(c, "x", 1, MSG_NOSIGNAL))); SAY("raised %d", pipes);
    struct iovec io = {"x", 1};
    SAY("writev %s", err(writev(c, &io, 1))); SAY("raised %d", pipes);
    close(c);
    couple(&c, &s);
    if (send(c, "unread", 6, 0) != 6) SAY("send failed");
    masks(s, 1000, POLLIN);
    close(s);
    SAY("closed with text unread: poll %s", mask(masks(c, 1000, POLLERR)));
    int v; socklen_t len = sizeof v;
    getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &len); SAY("so_error %s", strerrorname_np(v));
    close(c);
    couple(&c, &s);
    int n = shutdown(c, SHUT_RDWR); SAY("shutdown both %s", err(n));
    SAY("own read %s", err(read(c, part, 1)));
    SAY("peer read %s", err(read(s, part, 1)));
    close(c); close(s);
}

static void options(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), s6 = socket(AF_INET6, SOCK_STREAM, 0), v; socklen_t len;
    struct { int level, name; const char *text; int set; } o[] = {
        {SOL_SOCKET, SO_REUSEADDR, "reuseaddr", 1}, {SOL_SOCKET, SO_REUSEPORT, "reuseport", 1}, {SOL_SOCKET, SO_KEEPALIVE, "keepalive", 5},
        {IPPROTO_TCP, TCP_NODELAY, "nodelay", 1}, {IPPROTO_TCP, TCP_KEEPIDLE, "keepidle", 60}, {IPPROTO_TCP, TCP_KEEPINTVL, "keepintvl", 10},
        {IPPROTO_TCP, TCP_KEEPCNT, "keepcnt", 3}, {IPPROTO_IP, IP_TOS, "tos", 16}, {IPPROTO_IP, IP_TTL, "ttl", 33},
        {IPPROTO_IP, IP_MTU_DISCOVER, "mtu discover", IP_PMTUDISC_DO}, {IPPROTO_IP, IP_RECVERR, "recverr", 1}, {SOL_SOCKET, SO_BROADCAST, "broadcast", 1},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, "user timeout", 1000}, {SOL_SOCKET, SO_SNDBUF, "sndbuf", 20000}, {SOL_SOCKET, SO_RCVBUF, "rcvbuf", 30000}};
    for (unsigned i = 0; i < sizeof o / sizeof *o; i++) {
        len = sizeof v; v = -7;
        if (o[i].name != SO_SNDBUF && o[i].name != SO_RCVBUF) SAY("%s default %s", o[i].text, err(getsockopt(fd, o[i].level, o[i].name, &v, &len) ? -1 : v));
        SAY("set %s", err(setsockopt(fd, o[i].level, o[i].name, &o[i].set, sizeof o[i].set)));
        len = sizeof v;
        SAY("now %s", err(getsockopt(fd, o[i].level, o[i].name, &v, &len) ? -1 : v));
    }
    v = 1;
    int bound = socket(AF_INET, SOCK_DGRAM, 0); char device[16] = "";
    len = sizeof device;
    SAY("no device %s", err(getsockopt(bound, SOL_SOCKET, SO_BINDTODEVICE, device, &len))); SAY("'%s' %d", device, len);
    SAY("unknown device %s", err(setsockopt(bound, SOL_SOCKET, SO_BINDTODEVICE, "no-such", 8)));
    SAY("to none %s", err(setsockopt(bound, SOL_SOCKET, SO_BINDTODEVICE, "", 0)));
    close(bound);
    SAY("keepidle 0 %s", err(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){0}, 4)));
    SAY("ttl 256 %s", err(setsockopt(fd, IPPROTO_IP, IP_TTL, &(int){256}, 4)));
    SAY("short %s", err(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &v, 2)));
    SAY("bad pointer %s", err(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, (void *)16, 4)));
    SAY("unknown %s", err(setsockopt(fd, SOL_SOCKET, 9999, &v, 4)));
    SAY("unknown tcp %s", err(setsockopt(fd, IPPROTO_TCP, 9999, &v, 4)));
    SAY("unknown level %s", err(setsockopt(fd, 4321, 1, &v, 4)));
    len = 4; SAY("get unknown %s", err(getsockopt(fd, SOL_SOCKET, 9999, &v, &len)));
    len = 2; char two[4] = {9, 9, 9, 9};
    SAY("get short %s", err(getsockopt(fd, SOL_SOCKET, SO_TYPE, two, &len))); SAY("len %d %d %d %d", len, two[0], two[1], two[2]);
    len = 4; SAY("v6only default %s", err(getsockopt(s6, IPPROTO_IPV6, IPV6_V6ONLY, &v, &len) ? -1 : v));
    SAY("v6only on %s", err(setsockopt(s6, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, 4)));
    struct timeval t = {3, 0};
    SAY("rcvtimeo %s", err(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t)));
    len = sizeof t; t.tv_sec = 0; getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &len); SAY("rcvtimeo %ld", (long)t.tv_sec);
    struct linger l = {1, 3}; SAY("linger %s", err(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l)));
    memset(&l, 0, sizeof l); len = sizeof l; getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len); SAY("linger %d %d", l.l_onoff, l.l_linger);
    struct tcp_info info; len = sizeof info;
    SAY("tcp_info %d", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && len > 100);
    int u = socket(AF_INET, SOCK_DGRAM, 0); len = 4;
    SAY("tcp option on udp %d", getsockopt(u, IPPROTO_TCP, TCP_NODELAY, &v, &len) < 0);
    close(u); close(fd); close(s6);
    int c, s; couple(&c, &s);
    struct timeval q = {0, 50000}; char b;
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &q, sizeof q);
    SAY("read times out %s", err(read(c, &b, 1)));
    close(c); close(s);
}

static int at_mark(int fd) { int at = -1; ioctl(fd, SIOCATMARK, &at); return at; }

/* The octets arrive when they do: reads wait until the end of what is said is there. */
static void await_octets(int fd, int want) {
    for (int have = 0, waited = 0; have < want && waited < 2000; waited += 5) { ioctl(fd, FIONREAD, &have); if (have < want) usleep(5000); }
}

static void urgent(void) {
    int c, s; char part[64];
    couple(&c, &s);
    SAY("none %s", err(recv(s, part, 9, MSG_OOB)));
    SAY("send %s", err(send(c, "abcU", 4, MSG_OOB)));
    SAY("mask %s", mask(masks(s, 2000, POLLPRI)));
    SAY("text after %s", err(send(c, "def", 3, 0)));
    SAY("at mark %d", at_mark(s));
    int got = recv(s, part, 64, 0);
    SAY("before the mark %d %.3s", got, part);
    SAY("at mark %d", at_mark(s));
    SAY("urgent %s", err(recv(s, part, 9, MSG_OOB))); SAY("octet %c", part[0]);
    SAY("again %s", err(recv(s, part, 9, MSG_OOB)));
    await_octets(s, 3);
    got = recv(s, part, 64, 0);
    SAY("after the mark %d %.3s", got, part);
    SAY("at mark %d", at_mark(s));
    /* Back, from the accepted side, alone. */
    SAY("send %s", err(send(s, "V", 1, MSG_OOB)));
    /* AF_UNIX shows POLLIN beside it. */
    SAY("seen %d", masks(c, 2000, POLLPRI) & POLLPRI);
    SAY("urgent %s", err(recv(c, part, 9, MSG_OOB))); SAY("octet %c", part[0]);
    SAY("text %s", err(send(s, "xyz", 3, 0)));
    await_octets(c, 3);
    SAY("reads %s", err(recv(c, part, 64, MSG_DONTWAIT))); SAY("text %.3s", part);
    /* In line. */
    int on = 1; SAY("inline %s", err(setsockopt(c, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on)));
    SAY("send %s", err(send(s, "klM", 3, MSG_OOB)));
    masks(c, 2000, POLLPRI);
    SAY("none %s", err(recv(c, part, 9, MSG_OOB)));
    SAY("reads %s", err(recv(c, part, 64, 0))); SAY("at mark %d", at_mark(c));
    SAY("reads %s", err(recv(c, part, 64, 0))); SAY("octet %c", part[0]);
    close(s); SAY("end %s", err(recv(c, part, 9, 0)));
    close(c);
}

static void fast_open(void) {
    int port, l = listener(AF_INET, &port), c = socket(AF_INET, SOCK_STREAM, 0), s; char part[64];
    struct sockaddr_in to = v4(port);
    SAY("nowhere %s", err(sendto(c, "abc", 3, MSG_FASTOPEN, NULL, 0)));
    SAY("sendto %s", err(sendto(c, "abc", 3, MSG_FASTOPEN, ADDR(to))));
    s = accept(l, NULL, NULL);
    SAY("reads %s", err(recv(s, part, 3, MSG_WAITALL))); SAY("text %.3s", part);
    SAY("again %s", err(sendto(c, "abc", 3, MSG_FASTOPEN, ADDR(to))));
    close(c); close(s);
    c = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1; SAY("option %s", err(setsockopt(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on)));
    SAY("connect %s", err(connect(c, ADDR(to))));
    SAY("write %s", err(write(c, "defg", 4)));
    s = accept(l, NULL, NULL);
    SAY("reads %s", err(recv(s, part, 4, MSG_WAITALL))); SAY("text %.4s", part);
    SAY("back %s", err(write(s, "h", 1))); SAY("reads %s", err(read(c, part, 9)));
    close(c); close(s); close(l);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SAY("refused %s", err(sendto(c, "abc", 3, MSG_FASTOPEN, ADDR(to))));
    close(c);
}

static void raw_calls(void) {
    int a = syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    char text[2][16]; struct sockaddr_in to = v4(0), from; socklen_t len = sizeof to;
    SAY("bind %s", err(syscall(SYS_bind, a, &to, sizeof to)));
    SAY("getsockname %s", err(syscall(SYS_getsockname, a, &to, &len))); SAY("port %d len %d", to.sin_port != 0, len);
    SAY("connect %s", err(syscall(SYS_connect, b, &to, sizeof to)));
    struct iovec out[2] = {{"one", 3}, {"three", 5}}, in[2] = {{text[0], 16}, {text[1], 16}};
    struct mmsghdr many[2]; memset(many, 0, sizeof many);
    for (int i = 0; i < 2; i++) { many[i].msg_hdr.msg_iov = &out[i]; many[i].msg_hdr.msg_iovlen = 1; }
    SAY("sendmmsg %s", err(syscall(SYS_sendmmsg, b, many, 2, 0)));
    usleep(50000); memset(many, 0, sizeof many);
    for (int i = 0; i < 2; i++) { many[i].msg_hdr.msg_iov = &in[i]; many[i].msg_hdr.msg_iovlen = 1; many[i].msg_hdr.msg_name = &from; many[i].msg_hdr.msg_namelen = sizeof from; }
    SAY("recvmmsg %s", err(syscall(SYS_recvmmsg, a, many, 2, MSG_DONTWAIT, NULL)));
    SAY("lens %d %d from %s %d", many[0].msg_len, many[1].msg_len, inet_ntoa(from.sin_addr), ntohs(from.sin_port) == port_of(b));
    SAY("sendto %s", err(syscall(SYS_sendto, a, "back", 4, 0, &from, sizeof from)));
    SAY("read %s", err(syscall(SYS_read, b, text[0], 16)));
    SAY("write %s", err(syscall(SYS_write, b, "x", 1)));
    usleep(50000);
    SAY("recvfrom %s", err(syscall(SYS_recvfrom, a, text[0], 16, 0, NULL, NULL)));
    SAY("none %s", err(syscall(SYS_recvfrom, a, text[0], 16, 0, NULL, NULL)));
    SAY("close %s", err(syscall(SYS_close, a))); close(b);
    int l = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    to = v4(0);
    syscall(SYS_bind, l, &to, sizeof to); SAY("listen %s", err(syscall(SYS_listen, l, 5)));
    to.sin_port = htons(port_of(l));
    SAY("connect %s", err(syscall(SYS_connect, c, &to, sizeof to)));
    int s = syscall(SYS_accept4, l, NULL, NULL, SOCK_CLOEXEC); SAY("accept4 %d", s > 0);
    SAY("setsockopt %s", err(syscall(SYS_setsockopt, c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)));
    SAY("writev %s", err(syscall(SYS_writev, c, out, 2))); usleep(50000);
    SAY("readv %s", err(syscall(SYS_readv, s, in, 2)));
    SAY("unrelated %d", syscall(SYS_getpid) == getpid());
    close(l); close(c); close(s);
}
static void sandboxes(void) {
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), one = 1, got; struct sockaddr_in to = v4(0), from; socklen_t len = sizeof to;
    bind(l, ADDR(to)); listen(l, 5); to.sin_port = htons(port_of(l));
    connect(c, ADDR(to)); int s = accept(l, NULL, NULL);
    pid_t child = syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL);
    if (!child) {
        struct rlimit none = {0, 0}; setrlimit(RLIMIT_NOFILE, &none);
        SAY("keepalive %s", err(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one)));
        len = sizeof got; SAY("read back %s", err(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &got, &len))); SAY("value %d", got);
        len = sizeof from; SAY("peer %s", err(getpeername(s, (struct sockaddr *)&from, &len)));
        SAY("send %s", err(send(s, "x", 1, 0)));
        fflush(stdout); _exit(0);
    }
    int status; waitpid(child, &status, 0); SAY("child %d", WEXITSTATUS(status));
    SAY("recv %d", (int)recv(c, &one, 1, 0));
    child = fork();
    if (!child) {
        struct rlimit none = {0, 0}; setrlimit(RLIMIT_NOFILE, &none); setuid(65534);
        SAY("nodelay %s", err(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)));
        SAY("new %s", err(socket(AF_INET, SOCK_STREAM, 0)));
        fflush(stdout); _exit(0);
    }
    waitpid(child, &status, 0); SAY("child %d", WEXITSTATUS(status));
    close(l); close(c); close(s);
}
static void datagram_shutdown(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0); char text[128];
    struct sockaddr_in to = v4(0), back = v4(0);
    bind(a, ADDR(to)); to.sin_port = htons(port_of(a));
    SAY("connect %s", err(connect(b, ADDR(to))));
    back.sin_port = htons(port_of(b));
    SAY("shut writing %s", err(shutdown(b, SHUT_WR)));
    SAY("send %s", err(send(b, "x", 1, MSG_NOSIGNAL)));
    SAY("sendto %s", err(sendto(a, "late", 4, 0, ADDR(back))));
    masks(b, 1000, POLLIN);
    SAY("still received %s", err(recv(b, text, 128, MSG_DONTWAIT)));
    SAY("then none %s", err(recv(b, text, 128, MSG_DONTWAIT)));
    SAY("shut reading %s", err(shutdown(b, SHUT_RD)));
    SAY("end %s", err(recv(b, text, 128, MSG_DONTWAIT)));
    SAY("poll %s", mask(masks(b, 0, 0)));
    usleep(50000);
    SAY("port is kept %d", port_of(b) == ntohs(back.sin_port));
    int c = socket(AF_INET, SOCK_DGRAM, 0);
    SAY("and taken %s", err(bind(c, ADDR(back))));
    close(b); usleep(50000);
    SAY("until close %s", err(bind(c, ADDR(back))));
    close(a); close(c);
}
static void datagrams(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0); char text[128];
    struct sockaddr_in to = v4(0), from; socklen_t len = sizeof from;
    SAY("bind %s", err(bind(a, ADDR(to))));
    to.sin_port = htons(port_of(a));
    SAY("no destination %s", err(send(b, "x", 1, 0)));
    SAY("write without %s", err(write(b, "x", 1)));
    SAY("sendto %s", err(sendto(b, "hello", 5, 0, ADDR(to))));
    SAY("port now %d", port_of(b) > 0);
    int n = -1; masks(a, 1000, POLLIN);
    SAY("poll %s", mask(masks(a, 0, 0)));
    ioctl(a, FIONREAD, &n); SAY("fionread %d", n);
    SAY("peek %s", err(recv(a, text, 3, MSG_PEEK | MSG_TRUNC)));
    SAY("recvfrom %s", err(recvfrom(a, text, 128, 0, (struct sockaddr *)&from, &len)));
    SAY("from %s right %d len %d", inet_ntoa(from.sin_addr), ntohs(from.sin_port) == port_of(b), len);
    SAY("empty %s", err(sendto(b, "", 0, 0, ADDR(to))));
    SAY("recv empty %s", err(recv(a, text, 128, 0)));
    SAY("nothing %s", err(recv(a, text, 128, MSG_DONTWAIT)));
    SAY("long %s", err(sendto(b, "0123456789", 10, 0, ADDR(to))));
    SAY("cut %s", err(recv(a, text, 4, 0)));
    static char big[65535];
    SAY("65507 %s", err(sendto(b, big, 65507, 0, ADDR(to))));
    SAY("back %s", err(recv(a, big, sizeof big, 0)));
    SAY("65508 %s", err(sendto(b, big, 65508, 0, ADDR(to))));
    SAY("connect %s", err(connect(b, ADDR(to))));
    struct sockaddr_in got; len = sizeof got; getpeername(b, (struct sockaddr *)&got, &len); SAY("peer right %d", got.sin_port == to.sin_port);
    SAY("send %s", err(send(b, "one", 3, 0)));
    SAY("write %s", err(write(b, "two!", 4)));
    struct iovec io[2] = {{"th", 2}, {"ree", 3}};
    SAY("writev %s", err(writev(b, io, 2)));
    usleep(20000);
    SAY("read %s", err(read(a, text, 128)));
    struct iovec in[2] = {{text, 2}, {text + 10, 50}};
    SAY("readv %s", err(readv(a, in, 2)));
    struct mmsghdr many[3]; char bufs[3][16]; struct iovec ins[3]; memset(many, 0, sizeof many);
    for (int i = 0; i < 3; i++) { ins[i] = (struct iovec){bufs[i], 16}; many[i].msg_hdr.msg_iov = &ins[i]; many[i].msg_hdr.msg_iovlen = 1; }
    SAY("recvmmsg %s", err(recvmmsg(a, many, 3, MSG_DONTWAIT, NULL)));
    SAY("first %d", many[0].msg_len);
    struct mmsghdr out[2]; memset(out, 0, sizeof out); for (int i = 0; i < 2; i++) { out[i].msg_hdr.msg_iov = io; out[i].msg_hdr.msg_iovlen = 2 - i; }
    SAY("sendmmsg %s", err(sendmmsg(b, out, 2, 0))); SAY("lens %d %d", out[0].msg_len, out[1].msg_len);
    usleep(20000); recv(a, text, 128, 0); recv(a, text, 128, 0);
    SAY("pktinfo %s", err(setsockopt(a, IPPROTO_IP, IP_PKTINFO, &(int){1}, 4)));
    send(b, "info", 4, 0); masks(a, 1000, POLLIN);
    char control[256]; struct iovec one = {text, 128};
    struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control, .msg_name = &from, .msg_namelen = sizeof from};
    SAY("recvmsg %s", err(recvmsg(a, &m, 0))); SAY("namelen %d flags %d", m.msg_namelen, m.msg_flags);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_type == IP_PKTINFO) SAY("pktinfo to %s", inet_ntoa(((struct in_pktinfo *)CMSG_DATA(h))->ipi_addr));
    }
    struct sockaddr_in none = {.sin_family = AF_UNSPEC};
    SAY("dissolve %s", err(connect(b, ADDR(none))));
    SAY("send %s", err(send(b, "x", 1, 0)));
    SAY("listen %s", err(listen(b, 1))); SAY("accept %s", err(accept(b, NULL, NULL)));
    pid_t child = fork();
    if (!child) { recv(a, text, 128, 0); sendto(b, "from child", 10, 0, ADDR(to)); _exit(port_of(a) == ntohs(to.sin_port) ? 0 : 1); }
    sendto(b, "to child", 8, 0, ADDR(to));
    int status; waitpid(child, &status, 0); SAY("child %d", WEXITSTATUS(status));
    SAY("from child %s", err(recv(a, text, 128, 0)));
    int d = dup(a); close(a);
    sendto(b, "dup", 3, 0, ADDR(to));
    SAY("through a copy %s", err(read(d, text, 128)));
    close(d); usleep(50000);
    connect(b, ADDR(to)); send(b, "x", 1, 0); usleep(50000);
    SAY("unreachable port %s", err(recv(b, text, 128, MSG_DONTWAIT)));
    close(b);
    int s6 = socket(AF_INET6, SOCK_DGRAM, 0), c6 = socket(AF_INET6, SOCK_DGRAM, 0); struct sockaddr_in6 t6 = v6(0), f6;
    SAY("bind6 %s", err(bind(s6, ADDR(t6)))); t6.sin6_port = htons(port_of(s6));
    SAY("sendto6 %s", err(sendto(c6, "six", 3, 0, ADDR(t6)))); len = sizeof f6;
    SAY("recvfrom6 %s", err(recvfrom(s6, text, 128, 0, (struct sockaddr *)&f6, &len)));
    SAY("from %s len %d", inet_ntop(AF_INET6, &f6.sin6_addr, text, sizeof text), len);
    close(s6); close(c6);
}

static void processes(const char *self) {
    int port, l = listener(AF_INET, &port); struct sockaddr_in to = v4(port); char text[64];
    pid_t child = fork();
    if (!child) { int s = accept(l, NULL, NULL); char b[8]; ssize_t n = read(s, b, 8); if (write(s, b, n) != n) _exit(3); _exit(0); }
    int c = socket(AF_INET, SOCK_STREAM, 0);
    SAY("connect %s", err(connect(c, ADDR(to)))); SAY("write %s", err(write(c, "ping", 4)));
    SAY("echo %s", err(read(c, text, 8))); SAY("end %s", err(read(c, text, 8)));
    int status; waitpid(child, &status, 0); SAY("child %d", WEXITSTATUS(status));
    close(c);
    /* exec keeps the sockets; the new image finds out what they are. */
    child = fork();
    if (!child) { char fd[16]; snprintf(fd, 16, "%d", l); execl(self, self, "serve", fd, NULL); _exit(9); }
    c = socket(AF_INET, SOCK_STREAM, 0);
    SAY("connect %s", err(connect(c, ADDR(to)))); SAY("write %s", err(write(c, "ping", 4)));
    SAY("echo %s", err(read(c, text, 8)));
    waitpid(child, &status, 0); SAY("image %d", WEXITSTATUS(status)); close(c);
    child = vfork();
    if (!child) { int v = socket(AF_INET, SOCK_STREAM, 0); struct sockaddr_in t = v4(port); _exit(connect(v, ADDR(t)) ? 1 : v >= 0 ? 0 : 2); }
    waitpid(child, &status, 0); SAY("vfork child %d", WEXITSTATUS(status));
    close(accept(l, NULL, NULL));
    SAY("parent after vfork %d", port_of(l) == port);
    close_range(40, ~0U, 0);
    SAY("after close_range %d", port_of(l) == port);
    struct rlimit r, few; getrlimit(RLIMIT_NOFILE, &r); few = r;
    int last = dup(0); close(last); few.rlim_cur = last + 2; setrlimit(RLIMIT_NOFILE, &few);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SAY("connect near the limit %s", err(connect(c, ADDR(to))));
    int more = socket(AF_INET, SOCK_STREAM, 0), s = accept(l, NULL, NULL);
    SAY("last %d accept at the limit %s", more >= 0, err(s));
    close(more); s = accept(l, NULL, NULL); SAY("accept %d", s >= 0);
    setrlimit(RLIMIT_NOFILE, &r);
    SAY("write %s", err(write(c, "abc", 3))); SAY("read %s", err(read(s, text, 9)));
    close(c); close(s);
    struct sigaction act = {.sa_handler = on_alarm}; sigaction(SIGALRM, &act, NULL);
    struct itimerval soon = {.it_value = {0, 50000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    SAY("interrupted accept %s", err(accept(l, NULL, NULL)));
    /* Passing a connection to another process. */
    int pair[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    child = fork();
    if (!child) {
        char b[8], ctl[64]; struct iovec io = {b, 8}; struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = 64};
        if (recvmsg(pair[1], &m, 0) < 1) _exit(4);
        int got; memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), 4);
        _exit(write(got, "passed", 6) == 6 ? 0 : 5);
    }
    c = socket(AF_INET, SOCK_STREAM, 0); connect(c, ADDR(to)); s = accept(l, NULL, NULL);
    char ctl[CMSG_SPACE(4)] = {0}; struct iovec io = {"x", 1}; struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(4); memcpy(CMSG_DATA(h), &s, 4);
    SAY("pass %s", err(sendmsg(pair[0], &m, 0)));
    SAY("read %s", err(read(c, text, 9))); waitpid(child, &status, 0); SAY("child %d", WEXITSTATUS(status));
    close(c); close(s); close(l);
}

static void names(void) {
    const char *cases[][2] = {{"127.0.0.1", "80"}, {"::1", "http"}, {NULL, "8080"}, {"127.1", NULL}, {"::ffff:1.2.3.4", "1"}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int f = 0; f < 4; f++) {
            struct addrinfo h = {.ai_flags = f & 1 ? AI_PASSIVE : AI_CANONNAME, .ai_socktype = f & 2 ? SOCK_STREAM : 0}, *r;
            if (!cases[i][0] && !(f & 1)) h.ai_flags = 0;
            int e = getaddrinfo(cases[i][0], cases[i][1], &h, &r);
            SAY("getaddrinfo %s %s %d: %d", cases[i][0] ? cases[i][0] : "-", cases[i][1] ? cases[i][1] : "-", f, e);
            if (e) continue;
            for (struct addrinfo *p = r; p; p = p->ai_next) {
                char host[64], serv[32];
                int n = getnameinfo(p->ai_addr, p->ai_addrlen, host, 64, serv, 32, NI_NUMERICHOST | (p->ai_socktype == SOCK_DGRAM ? NI_DGRAM : 0));
                SAY(" %d %d %d %d %s %s %d %s", p->ai_family, p->ai_socktype, p->ai_protocol, p->ai_addrlen, host, serv, n, p->ai_canonname ? p->ai_canonname : "-");
            }
            freeaddrinfo(r);
        }
    struct addrinfo *r, h = {.ai_flags = AI_NUMERICHOST};
    SAY("numeric host %d", getaddrinfo("localhost", NULL, &h, &r));
    h.ai_flags = AI_NUMERICSERV; SAY("numeric service %d", getaddrinfo("::1", "http", &h, &r));
    h.ai_flags = 0x100000; SAY("bad flags %d", getaddrinfo("::1", "80", &h, &r));
    h.ai_flags = 0; h.ai_family = AF_UNIX; SAY("bad family %d", getaddrinfo("::1", "80", &h, &r));
    h.ai_family = AF_INET; SAY("wrong family %d", getaddrinfo("::1", "80", &h, &r));
    h.ai_family = 0; h.ai_socktype = 99; SAY("bad type %d", getaddrinfo("::1", "80", &h, &r));
    h.ai_socktype = SOCK_STREAM; SAY("no such service %d", getaddrinfo("::1", "no-such-service", &h, &r));
    SAY("nothing %d", getaddrinfo(NULL, NULL, &h, &r));
    struct hostent *e = gethostbyname("127.0.0.1");
    SAY("gethostbyname %s %d %d", e ? e->h_name : "-", e ? e->h_length : 0, e ? e->h_addrtype : 0);
    struct hostent entry; char small[8], buffer[1024]; int code = 0;
    SAY("short buffer %d", gethostbyname_r("127.0.0.1", &entry, small, sizeof small, &e, &code)); SAY("code %d %d", code, e == NULL);
    SAY("long buffer %d", gethostbyname_r("127.0.0.1", &entry, buffer, sizeof buffer, &e, &code)); SAY("found %d", e == &entry);
    struct sockaddr_in to = v4(80); char host[8], serv[32];
    SAY("nameinfo overflow %d", getnameinfo(ADDR(to), host, 8, NULL, 0, NI_NUMERICHOST));
    SAY("nameinfo %d %s", getnameinfo(ADDR(to), NULL, 0, serv, 32, 0), serv);
}

/* What ICMP says of a datagram, told in full to those who ask. */
static void report(int fd) {
    char text[16] = {0}, ctl[256];
    struct sockaddr_in to = {0};
    struct iovec io = {text, sizeof text - 1};
    struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &io, .msg_iovlen = 1,
                       .msg_control = ctl, .msg_controllen = sizeof ctl};
    long got = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
    SAY("report: %s '%s' flags %x", err(got), got > 0 ? text : "", got < 0 ? 0 : m.msg_flags);
    for (struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        struct sock_extended_err *e = (void *)CMSG_DATA(c);
        struct sockaddr_in *from = (void *)(e + 1);
        SAY("  level %d type %d: errno %d origin %d type %d code %d info %d, family %d from %s", c->cmsg_level, c->cmsg_type,
            e->ee_errno, e->ee_origin, e->ee_type, e->ee_code, e->ee_info, from->sin_family, inet_ntoa(from->sin_addr));
    }
}
static void reports(void) {
    int on = 1, fd = socket(AF_INET, SOCK_DGRAM, 0), probe = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = v4(0);
    bind(probe, ADDR(a));
    a = v4(port_of(probe));
    close(probe);
    report(fd);
    SAY("unconnected: %s", err(sendto(fd, "one", 3, 0, ADDR(a))));
    usleep(50000);
    SAY("nothing is told: %s", err(recv(fd, &on, 1, MSG_DONTWAIT)));
    on = 1;
    SAY("asked for: %s", err(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on)));
    SAY("again: %s", err(sendto(fd, "two", 3, 0, ADDR(a))));
    usleep(50000);
    report(fd);
    report(fd);
    SAY("the error is gone with it: %s", err(recv(fd, &on, 1, MSG_DONTWAIT)));
    SAY("a third: %s", err(sendto(fd, "three", 5, 0, ADDR(a))));
    usleep(50000);
    SAY("told: %s", err(recv(fd, &on, 1, MSG_DONTWAIT)));
    SAY("once: %s", err(recv(fd, &on, 1, MSG_DONTWAIT)));
    report(fd);
    close(fd);
}

int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "serve")) {
        int l = atoi(argv[2]), s = accept(l, NULL, NULL); char b[8];
        ssize_t n = read(s, b, 8);
        return n > 0 && write(s, b, n) == n && port_of(l) == port_of(s) ? 0 : 1;
    }
    struct sigaction act = {.sa_handler = on_pipe}; sigaction(SIGPIPE, &act, NULL);
    const char *part = argc > 1 ? argv[1] : "";
    if (!*part || !strcmp(part, "fresh")) fresh();
    if (!*part || !strcmp(part, "binds")) binds();
    if (!*part || !strcmp(part, "connects")) connects();
    if (!*part || !strcmp(part, "resets")) resets();
    if (!*part || !strcmp(part, "options")) options();
    if (!*part || !strcmp(part, "urgent")) urgent();
    if (!*part || !strcmp(part, "fast_open")) fast_open();
    if (!*part || !strcmp(part, "datagrams")) datagrams();
    if (!*part || !strcmp(part, "raw_calls")) raw_calls();
    if (!*part || !strcmp(part, "sandboxes")) sandboxes();
    if (!*part || !strcmp(part, "datagram_shutdown")) datagram_shutdown();
    if (!*part || !strcmp(part, "reports")) reports();
    if (!*part || !strcmp(part, "processes")) processes(argv[0]);
    if (!*part || !strcmp(part, "names")) names();
    return 0;
}
