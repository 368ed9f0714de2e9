/* Threads that are cancelled while they wait for a datagram and for a connection. Built dynamic. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void cleaned(void *what) {
    printf("%s cleaned\n", (char *)what);
}

static int bound(int kind) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, kind, 0);
    bind(fd, (void *)&any, sizeof any);
    return fd;
}

static void *receives(void *unused) {
    char text[10];
    int fd = bound(SOCK_DGRAM);
    pthread_cleanup_push(cleaned, "recv");
    recv(fd, text, sizeof text, 0);
    pthread_cleanup_pop(0);
    return unused;
}

static void *accepts(void *unused) {
    int fd = bound(SOCK_STREAM);
    listen(fd, 5);
    pthread_cleanup_push(cleaned, "accept");
    accept(fd, NULL, NULL);
    pthread_cleanup_pop(0);
    return unused;
}

int main(void) {
    void *(*all[])(void *) = {receives, accepts};
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *result = NULL;
        pthread_create(&thread, NULL, all[i], NULL);
        usleep(200000);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        printf("%d\n", result == PTHREAD_CANCELED);
    }
    return 0;
}
