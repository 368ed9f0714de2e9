// Receives three datagrams on a UDP socket that the program before this one made: descriptor argv[1].

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int fd = argc == 2 ? atoi(argv[1]) : -1;
    char text[200];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    alarm(20);
    printf("recvfrom %ld\n", (long)recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &len));
    printf("recvmsg %ld\n", (long)recvmsg(fd, &message, 0));
    printf("read %ld\n", (long)read(fd, text, sizeof text));
    return 0;
}
