/* Drives the library as packetdrill does: loads it, has its table filled in, and calls every function of it.
 * Prints nothing and exits with 0 if all is as it should be; else names the line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

struct table {
	void *user;
	void (*free)(void *);
	int (*socket)(void *, int, int, int);
	int (*bind)(void *, int, const struct sockaddr *, socklen_t);
	int (*listen)(void *, int, int);
	int (*accept)(void *, int, struct sockaddr *, socklen_t *);
	int (*connect)(void *, int, const struct sockaddr *, socklen_t);
	ssize_t (*read)(void *, int, void *, size_t);
	ssize_t (*readv)(void *, int, const struct iovec *, int);
	ssize_t (*recv)(void *, int, void *, size_t, int);
	ssize_t (*recvfrom)(void *, int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t (*recvmsg)(void *, int, struct msghdr *, int);
	ssize_t (*write)(void *, int, const void *, size_t);
	ssize_t (*writev)(void *, int, const struct iovec *, int);
	ssize_t (*send)(void *, int, const void *, size_t, int);
	ssize_t (*sendto)(void *, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	ssize_t (*sendmsg)(void *, int, const struct msghdr *, int);
	int (*fcntl)(void *, int, int, ...);
	int (*ioctl)(void *, int, unsigned long, ...);
	int (*close)(void *, int);
	int (*shutdown)(void *, int, int);
	int (*getsockopt)(void *, int, int, int, void *, socklen_t *);
	int (*setsockopt)(void *, int, int, int, const void *, socklen_t);
	int (*poll)(void *, struct pollfd *, nfds_t, int);
	int (*netdev_send)(void *, const void *, size_t);
	int (*netdev_receive)(void *, void *, size_t *, long long *);
	int (*usleep)(void *, useconds_t);
	int (*gettimeofday)(void *, struct timeval *, struct timezone *);
	int (*epoll_create)(void *, int);
	int (*epoll_ctl)(void *, int, int, int, struct epoll_event *);
	int (*epoll_wait)(void *, int, struct epoll_event *, int, int);
	int (*pipe)(void *, int[2]);
	ssize_t (*splice)(void *, int, loff_t *, int, loff_t *, size_t, unsigned);
};

#define CHECK(what)                                                                      \
	do {                                                                             \
		if (!(what)) {                                                           \
			printf("line %d: %s (errno %d)\n", __LINE__, #what, errno);      \
			exit(1);                                                         \
		}                                                                        \
	} while (0)

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static struct table t;
static uint32_t peer_seq, peer_ack;
static unsigned char packet[70000];

static uint16_t checksum(const unsigned char *octets, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? octets[i] : octets[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Hands in a segment from 192.0.2.1:4000 to 192.168.0.1:8080. */
static void inject(int flags, const char *text)
{
	unsigned char out[200] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 168, 0, 1};
	unsigned char *tcp = out + 20;
	size_t len = strlen(text), total = 40 + len;
	uint16_t ip_sum, tcp_sum;

	out[2] = total >> 8;
	out[3] = total;
	ip_sum = checksum(out, 20, 0);
	out[10] = ip_sum >> 8;
	out[11] = ip_sum;
	*(uint16_t *)tcp = htons(4000);
	*(uint16_t *)(tcp + 2) = htons(8080);
	*(uint32_t *)(tcp + 4) = htonl(peer_seq);
	*(uint32_t *)(tcp + 8) = flags & ACK ? htonl(peer_ack) : 0;
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	*(uint16_t *)(tcp + 14) = htons(60000);
	memcpy(tcp + 20, text, len);
	tcp_sum = checksum(tcp, 20 + len, 192 * 256 + 2 * 256 + 1 + 192 * 256 + 168 + 1 + 6 + 20 + len);
	tcp[16] = tcp_sum >> 8;
	tcp[17] = tcp_sum;
	peer_seq += len + !!(flags & (SYN | FIN));
	CHECK(t.netdev_send(t.user, out, total) == 0);
}

/* Takes the next packet out, checks its flags and length, and acknowledges it to itself. */
static void expect(int flags, size_t text_len)
{
	size_t len = sizeof(packet);
	long long at = 0;
	struct timeval now;

	CHECK(t.netdev_receive(t.user, packet, &len, &at) == 0);
	CHECK(len >= 40 && packet[0] == 0x45 && packet[9] == 6);
	CHECK((packet[33] & ~PSH) == flags);
	CHECK(len == 20 + (packet[32] >> 4) * 4 + text_len);
	CHECK(t.gettimeofday(t.user, &now, NULL) == 0);
	CHECK(at > 0 && at <= now.tv_sec * 1000000LL + now.tv_usec);
	peer_ack = ntohl(*(uint32_t *)(packet + 24)) + text_len + !!(flags & (SYN | FIN));
}

static void expect_nothing(void)
{
	size_t len = sizeof(packet);
	long long at;

	CHECK(t.netdev_receive(t.user, packet, &len, &at) == 0 && len == 0);
}

static void *blocked_read(void *fd)
{
	char text[10];
	struct timeval now;

	CHECK(t.read(t.user, *(int *)fd, text, 10) == 3 && !memcmp(text, "six", 3));
	CHECK(t.gettimeofday(t.user, &now, NULL) == 0);
	return (void *)(now.tv_sec * 1000000L + now.tv_usec);
}

/* A listener, a handshake, and accept; the peer's address must be filled in. */
static int open_connection(int *listener)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(8080)}, remote;
	socklen_t len = sizeof(remote);
	int one = 1, fd;

	local.sin_addr.s_addr = htonl(0xc0a80001);
	*listener = t.socket(t.user, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	CHECK(*listener >= 0);
	CHECK(t.setsockopt(t.user, *listener, SOL_SOCKET, SO_REUSEADDR, &one, 4) == 0);
	CHECK(t.bind(t.user, *listener, (struct sockaddr *)&local, sizeof(local)) == 0);
	CHECK(t.listen(t.user, *listener, 1) == 0);
	peer_seq = 1000;
	inject(SYN, "");
	expect(SYN | ACK, 0);
	inject(ACK, "");
	fd = t.accept(t.user, *listener, (struct sockaddr *)&remote, &len);
	CHECK(fd > *listener && len == sizeof(remote));
	CHECK(remote.sin_port == htons(4000) && remote.sin_addr.s_addr == htonl(0xc0000201));
	return fd;
}

static void read_calls(int fd)
{
	char a[4] = "", b[4] = "";
	struct iovec pieces[2] = {{a, 2}, {b, 4}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	int waiting = 0;

	inject(ACK | PSH, "first");
	expect(ACK, 0);
	CHECK(t.ioctl(t.user, fd, FIONREAD, &waiting) == 0 && waiting == 5);
	CHECK(t.recv(t.user, fd, a, 1, MSG_PEEK) == 1 && a[0] == 'f');
	CHECK(t.read(t.user, fd, a, 1) == 1 && a[0] == 'f');
	CHECK(t.recv(t.user, fd, a, 1, 0) == 1 && a[0] == 'i');
	CHECK(t.readv(t.user, fd, pieces, 2) == 3 && !memcmp(a, "rs", 2) && b[0] == 't');
	CHECK(t.read(t.user, fd, NULL, 1) == -1 && errno == EFAULT);
	CHECK(t.recv(t.user, fd, a, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	inject(ACK | PSH, "next");
	expect(ACK, 0);
	CHECK(t.recvfrom(t.user, fd, a, 1, 0, (struct sockaddr *)&from, &from_len) == 1);
	CHECK(t.recvmsg(t.user, fd, &message, 0) == 3 && !memcmp(a, "ex", 2) && b[0] == 't');
	CHECK(message.msg_controllen == 0 && message.msg_flags == 0);
	CHECK(t.recvmsg(t.user, fd, &message, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
}

static void write_calls(int fd)
{
	struct iovec pieces[2] = {{"ab", 2}, {"cde", 3}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
	int one = 1, value = 0;
	socklen_t len = sizeof(value);

	CHECK(t.setsockopt(t.user, fd, IPPROTO_TCP, TCP_NODELAY, &one, 4) == 0);
	CHECK(t.getsockopt(t.user, fd, IPPROTO_TCP, TCP_NODELAY, &value, &len) == 0 && value && len == 4);
	CHECK(t.setsockopt(t.user, fd, 1234, 1, &one, 4) == -1 && errno == ENOPROTOOPT);
	CHECK(t.write(t.user, fd, "abc", 3) == 3);
	expect(ACK, 3);
	CHECK(t.writev(t.user, fd, pieces, 2) == 5);
	expect(ACK, 5);
	CHECK(t.send(t.user, fd, "abcd", 4, 0) == 4);
	expect(ACK, 4);
	CHECK(t.sendto(t.user, fd, "a", 1, 0, NULL, 0) == 1);
	expect(ACK, 1);
	CHECK(t.sendmsg(t.user, fd, &message, 0) == 5);
	expect(ACK, 5);
	CHECK(t.ioctl(t.user, fd, TIOCOUTQ, &value) == 0 && value == 18);
	inject(ACK, "");
	CHECK(t.ioctl(t.user, fd, TIOCOUTQ, &value) == 0 && value == 0);
}

/* A completion of MSG_ZEROCOPY, with its control message. */
static void zerocopy(int fd)
{
	int one = 1;
	char room[200];
	struct msghdr message = {.msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *control;

	CHECK(t.setsockopt(t.user, fd, SOL_SOCKET, SO_ZEROCOPY, &one, 4) == 0);
	CHECK(t.send(t.user, fd, "zero", 4, MSG_ZEROCOPY) == 4);
	expect(ACK, 4);
	inject(ACK, "");
	CHECK(t.recvmsg(t.user, fd, &message, MSG_ERRQUEUE) == 0 && message.msg_flags == MSG_ERRQUEUE);
	control = CMSG_FIRSTHDR(&message);
	CHECK(control && control->cmsg_level == SOL_IP && control->cmsg_type == IP_RECVERR);
	CHECK(CMSG_DATA(control)[4] == 5 && CMSG_NXTHDR(&message, control) == NULL);
}

static void waiting_calls(int fd)
{
	struct pollfd asked = {.fd = fd, .events = POLLIN | POLLOUT};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 77}, found[2];
	struct timeval before, after;
	pthread_t thread;
	void *ended;
	char text[10];
	int epoll = t.epoll_create(t.user, 1);

	CHECK(t.poll(t.user, &asked, 1, 0) == 1 && asked.revents == POLLOUT);
	CHECK(epoll >= 0 && t.epoll_ctl(t.user, epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	CHECK(t.epoll_wait(t.user, epoll, found, 2, 0) == 0);
	CHECK(t.gettimeofday(t.user, &before, NULL) == 0);
	CHECK(t.epoll_wait(t.user, epoll, found, 2, 50) == 0);
	CHECK(t.gettimeofday(t.user, &after, NULL) == 0);
	CHECK((after.tv_sec - before.tv_sec) * 1000000 + after.tv_usec - before.tv_usec >= 50000);
	inject(ACK | PSH, "in");
	expect(ACK, 0);
	CHECK(t.epoll_wait(t.user, epoll, found, 2, 0) == 1 && found[0].data.u64 == 77);
	CHECK(t.epoll_wait(t.user, epoll, found, 2, 0) == 0);
	CHECK(t.read(t.user, fd, text, 10) == 2);
	CHECK(t.close(t.user, epoll) == 0);

	CHECK(pthread_create(&thread, NULL, blocked_read, &fd) == 0);
	usleep(20000);
	CHECK(t.usleep(t.user, 1000) == 0);
	inject(ACK | PSH, "six");
	CHECK(t.gettimeofday(t.user, &after, NULL) == 0);
	CHECK(t.usleep(t.user, 1000000) == 0);
	CHECK(pthread_join(thread, &ended) == 0);
	CHECK((long)ended <= after.tv_sec * 1000000L + after.tv_usec);
	expect(ACK, 0);
}

static void pipes(int fd)
{
	int ends[2];
	char text[10];

	CHECK(t.pipe(t.user, ends) == 0 && ends[0] != ends[1]);
	inject(ACK | PSH, "through");
	expect(ACK, 0);
	CHECK(t.splice(t.user, fd, NULL, ends[1], NULL, 100, 0) == 7);
	CHECK(t.read(t.user, ends[0], text, 3) == 3 && !memcmp(text, "thr", 3));
	CHECK(t.splice(t.user, ends[0], NULL, fd, NULL, 100, 0) == 4);
	expect(ACK, 4);
	inject(ACK, "");
	CHECK(t.close(t.user, ends[0]) == 0 && t.close(t.user, ends[1]) == 0);
	CHECK(t.close(t.user, ends[1]) == -1 && errno == EBADF);
}

static void life(void)
{
	int listener, fd = open_connection(&listener);
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(4000)};

	CHECK(t.fcntl(t.user, fd, F_GETFL) == O_RDWR);
	read_calls(fd);
	write_calls(fd);
	zerocopy(fd);
	waiting_calls(fd);
	pipes(fd);
	CHECK(t.shutdown(t.user, fd, SHUT_WR) == 0);
	expect(FIN | ACK, 0);
	inject(FIN | ACK, "");
	expect(ACK, 0);
	CHECK(t.close(t.user, fd) == 0 && t.close(t.user, listener) == 0);
	expect_nothing();

	fd = t.socket(t.user, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	remote.sin_addr.s_addr = htonl(0xc0000201);
	CHECK(t.fcntl(t.user, fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	CHECK(t.connect(t.user, fd, (struct sockaddr *)&remote, sizeof(remote)) == -1 && errno == EINPROGRESS);
	expect(SYN, 0);
	CHECK(t.close(t.user, fd) == 0);
}

int main(int argc, char *argv[])
{
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_DEEPBIND) : NULL;
	void (*init)(const char *, struct table *);

	if (!library) {
		printf("%s\n", dlerror());
		return 1;
	}
	init = dlsym(library, "packetdrill_interface_init");
	CHECK(init);
	/* Twice, as with several scripts in one process: the second machine knows nothing of the first. */
	for (int round = 0; round < 2; round++) {
		init(round ? "personality=freebsd,seed=7" : NULL, &t);
		life();
		t.free(t.user);
	}
	return 0;
}
