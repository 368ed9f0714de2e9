// A process that lets itself make few system calls, and dies of any other, as a browser's child does: it goes on using a
// connection it has, and sockets that are not the network's.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MUST(call) do { if ((call) < 0) { printf("%s: %s\n", #call, strerror(errno)); exit(1); } } while (0)
#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter few[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(read), ALLOW(write), ALLOW(sendmsg), ALLOW(recvmsg), ALLOW(exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};
static struct sock_fprog filter = {sizeof few / sizeof *few, few};

// What a program that is started by such a process inherits: no socket's name may be asked.
static struct sock_filter no_names[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockname, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
static struct sock_fprog inherited = {sizeof no_names / sizeof *no_names, no_names};

// A message with a descriptor in it, from one end of a pair to the other.
static void pass(int from, int to, int descriptor) {
    char text[] = "pass", back[8] = "", control[CMSG_SPACE(sizeof descriptor)] = "";
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    MUST(sendmsg(from, &message, MSG_NOSIGNAL));
    struct sockaddr_storage name;
    part = (struct iovec){back, sizeof back};
    message.msg_name = &name, message.msg_namelen = sizeof name, message.msg_controllen = sizeof control;
    MUST(recvmsg(to, &message, 0));
    printf("%s\n", back);
}

int main(int count, char **words) {
    int pair[2], listener, client, server;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof here;
    setbuf(stdout, NULL);
    if (count > 1 && strcmp(words[1], "exec") == 0) {
        MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &inherited));
        MUST(execl("/bin/echo", "echo", "executed", NULL));
    }
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    MUST(listener = socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(listener, (struct sockaddr *)&here, sizeof here));
    MUST(listen(listener, 1));
    MUST(getsockname(listener, (struct sockaddr *)&here, &len));
    MUST(client = socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(client, (struct sockaddr *)&here, sizeof here));
    MUST(server = accept(listener, NULL, NULL));

    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (count > 1 && strcmp(words[1], "seccomp") == 0)
        MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
    else
        MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));

    char text[8] = "";
    pass(pair[0], pair[1], pair[0]);
    MUST(write(client, "ping", 5));
    MUST(read(server, text, sizeof text));
    printf("%s\n", text);
    struct iovec part = {"pong", 5};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    MUST(sendmsg(server, &message, MSG_NOSIGNAL));
    part.iov_base = text, part.iov_len = sizeof text;
    MUST(recvmsg(client, &message, 0));
    printf("%s\n", text);
    return 0;
}
