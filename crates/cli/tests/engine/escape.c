/* Every way out that a program might try: each prints what it got. Built static. Argument: the port of a listener on the
   host's loopback, TCP and UDP, which is to see nothing. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in host;

static void say(const char *what, long result) {
    printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
    fflush(stdout);
}

/* Raw calls, past every library. */
static void raw(void) {
    long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    say("tcp", syscall(SYS_connect, fd, &host, sizeof host));
    syscall(SYS_close, fd);
    fd = syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
    syscall(SYS_sendto, fd, "leak", 4, 0, &host, sizeof host);
    struct iovec part = {"leak", 4};
    struct msghdr message = {.msg_name = &host, .msg_namelen = sizeof host, .msg_iov = &part, .msg_iovlen = 1};
    syscall(SYS_sendmsg, fd, &message, 0);
    struct mmsghdr many = {.msg_hdr = message};
    syscall(SYS_sendmmsg, fd, &many, 1, 0);
    syscall(SYS_connect, fd, &host, sizeof host);
    syscall(SYS_write, fd, "leak", 4);
    syscall(SYS_close, fd);
}

static void other_families(void) {
    say("packet", syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0));
    say("vsock", syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0));
    say("xdp", syscall(SYS_socket, AF_XDP, SOCK_RAW, 0));
    say("smc", syscall(SYS_socket, AF_SMC, SOCK_STREAM, 0));
    say("netfilter", syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 12));
    say("io_uring", syscall(SYS_io_uring_setup, 8, NULL));
    say("x32", syscall(0x40000000 | SYS_socket, AF_INET, SOCK_STREAM, 0));
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(359), "b"(AF_INET), "c"(SOCK_STREAM), "d"(0) : "memory");
    errno = result < 0 ? -result : 0;
    say("int80", result);
}

static void host_service(void) {
    struct sockaddr_un resolver = {.sun_family = AF_UNIX, .sun_path = "/var/run/nscd/socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    say("nscd", connect(fd, (void *)&resolver, sizeof resolver));
}

int main(int count, char **words) {
    host.sin_family = AF_INET;
    host.sin_port = htons(atoi(words[1]));
    host.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    raw();
    if (count > 2)
        return 0;
    other_families();
    host_service();
    /* vfork and exec of itself. */
    pid_t child = vfork();
    if (child == 0) {
        execl("/proc/self/exe", "escape", words[1], "again", NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    return 0;
}
