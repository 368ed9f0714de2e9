// A program that nobody may look at but root: its AF_UNIX sockets, a connection, and how each of its calls ends.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void say(const char *what, long result) {
    printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
    fflush(stdout);
}

int main(void) {
    // A wait that nothing ends must not last.
    alarm(20);
    say("hide", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = sizeof(sa_family_t) + 1 + sprintf(name.sun_path + 1, "portolan-hidden-%d", getpid());
    say("bind", bind(listener, (struct sockaddr *)&name, len));
    say("listen", listen(listener, 1));
    socklen_t room = sizeof name;
    say("getsockname", getsockname(listener, (struct sockaddr *)&name, &room));

    int pair[2], credentials[3];
    say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    room = sizeof credentials;
    say("getsockopt", getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, credentials, &room));
    say("send", send(pair[0], "x", 1, 0));
    char octet;
    struct iovec piece = {&octet, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    say("recvmsg", recvmsg(pair[1], &message, 0));
    say("sendmsg", sendmsg(pair[0], &message, 0));
    say("shutdown", shutdown(pair[0], SHUT_RDWR));

    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(80)};
    inet_pton(AF_INET, "10.0.2.2", &server.sin_addr);
    say("connect", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&server, sizeof server));
    return 0;
}
