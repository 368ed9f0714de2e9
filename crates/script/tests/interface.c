/*
 * Loads libportolan_script.so as packetdrill does, and calls every function of its table.
 *
 * usage: interface LIBRARY. Prints "32 of 32 functions" and exits with 0, or names the first check that fails.
 *
 * The declarations are ours; the order of the members is the interface.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

#define FUNCTIONS (sizeof(struct table) / sizeof(void *) - 1)

static struct table t;
static char used[FUNCTIONS];

/* A call of the table, which is noted. */
#define CALL(name, ...) (used[(offsetof(struct table, name) - sizeof(void *)) / sizeof(void *)] = 1, t.name(t.user, __VA_ARGS__))

#define CHECK(condition)                                                              \
	do {                                                                          \
		if (!(condition)) {                                                   \
			printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
			exit(1);                                                      \
		}                                                                     \
	} while (0)

#define FAILS(call, number) CHECK((call) == -1 && errno == (number))

/* The remote end: one TCP connection from 192.0.2.1:40000 to 192.168.0.1:8080. */
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
static const char *const LOCAL = "192.168.0.1", *const REMOTE = "192.0.2.1";
static uint16_t remote_port = 40000, local_port = 8080;
static uint32_t remote_next = 1000, local_next;

static uint32_t sum(const uint8_t *octets, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? octets[i] : (uint32_t)octets[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

static void put16(uint8_t *at, uint16_t value) { value = htons(value); memcpy(at, &value, 2); }
static void put32(uint8_t *at, uint32_t value) { value = htonl(value); memcpy(at, &value, 4); }
static uint32_t get32(const uint8_t *at) { uint32_t value; memcpy(&value, at, 4); return ntohl(value); }
static uint16_t get16(const uint8_t *at) { uint16_t value; memcpy(&value, at, 2); return ntohs(value); }

/* Injects a segment with that many octets of text, all of them 'x'. */
static void inject(int flags, size_t len)
{
	uint8_t packet[2000] = {0x45}, *tcp = packet + 20;
	size_t total = 40 + len;

	put16(packet + 2, total);
	packet[8] = 64;
	packet[9] = IPPROTO_TCP;
	inet_pton(AF_INET, REMOTE, packet + 12);
	inet_pton(AF_INET, LOCAL, packet + 16);
	put16(tcp, remote_port);
	put16(tcp + 2, local_port);
	put32(tcp + 4, remote_next);
	put32(tcp + 8, flags & ACK ? local_next : 0);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	put16(tcp + 14, 60000);
	memset(tcp + 20, 'x', len);
	uint16_t check = fold(sum(packet, 20, 0));
	memcpy(packet + 10, &check, 2);
	check = fold(sum(tcp, 20 + len, sum(packet + 12, 8, IPPROTO_TCP + 20 + len)));
	memcpy(tcp + 16, &check, 2);
	CHECK(CALL(netdev_send, packet, total) == 0);
	remote_next += len + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
}

/* Takes the next segment out that is no mere acknowledgement; gives the octets of its text. */
static size_t receive(int flags, uint16_t from, uint16_t to)
{
	uint8_t packet[70000], *tcp = packet + 20;
	size_t len = sizeof(packet);
	long long at = 0;
	struct timeval now;

	CHECK(CALL(netdev_receive, packet, &len, &at) == 0);
	CHECK(len >= 40 && packet[0] == 0x45 && packet[9] == IPPROTO_TCP && get16(packet + 2) == len);
	CHECK(fold(sum(packet, 20, 0)) == 0);
	CHECK(fold(sum(tcp, len - 20, sum(packet + 12, 8, IPPROTO_TCP + len - 20))) == 0);
	CHECK(get16(tcp) == from && (to == 0 || get16(tcp + 2) == to));
	CHECK(CALL(gettimeofday, &now, NULL) == 0);
	CHECK(at > 0 && at <= now.tv_sec * 1000000LL + now.tv_usec);
	size_t text = len - 20 - (tcp[12] >> 4) * 4;
	if (tcp[13] == ACK && text == 0 && flags != ACK)
		return receive(flags, from, to);
	CHECK(tcp[13] == flags);
	local_next = get32(tcp + 4) + text + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
	return text;
}

static struct sockaddr_in address(const char *text, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static long long now_us(void)
{
	struct timeval now;

	CHECK(CALL(gettimeofday, &now, NULL) == 0);
	return now.tv_sec * 1000000LL + now.tv_usec;
}

static int open_connection(int *listener)
{
	struct sockaddr_in here = address(LOCAL, local_port), there;
	socklen_t len = sizeof(there);
	int fd;

	FAILS(CALL(socket, 99, SOCK_STREAM, 0), EAFNOSUPPORT);
	*listener = CALL(socket, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	CHECK(*listener >= 0);
	CHECK(CALL(bind, *listener, (struct sockaddr *)&here, sizeof(here)) == 0);
	FAILS(CALL(bind, 99, (struct sockaddr *)&here, sizeof(here)), EBADF);
	CHECK(CALL(listen, *listener, 5) == 0);
	CHECK(CALL(fcntl, *listener, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	CHECK(CALL(fcntl, *listener, F_GETFL) == (O_RDWR | O_NONBLOCK));
	FAILS(CALL(accept, *listener, (struct sockaddr *)&there, &len), EAGAIN);
	inject(SYN, 0);
	CHECK(receive(SYN | ACK, local_port, remote_port) == 0);
	inject(ACK, 0);
	fd = CALL(accept, *listener, (struct sockaddr *)&there, &len);
	CHECK(fd >= 0 && fd != *listener);
	CHECK(len == sizeof(there) && there.sin_port == htons(remote_port));
	CHECK(there.sin_addr.s_addr == address(REMOTE, 0).sin_addr.s_addr);
	return fd;
}

static void write_in_every_way(int fd)
{
	char octets[300] = {0};
	struct iovec parts[2] = {{octets, 10}, {octets, 20}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	int on = 1;

	/* Without it, the second would wait for the acknowledgement of the first. */
	CHECK(CALL(setsockopt, fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on)) == 0);
	CHECK(CALL(write, fd, octets, 100) == 100);
	CHECK(receive(PSH | ACK, local_port, remote_port) == 100);
	CHECK(CALL(writev, fd, parts, 2) == 30);
	CHECK(receive(PSH | ACK, local_port, remote_port) == 30);
	CHECK(CALL(send, fd, octets, 40, MSG_DONTWAIT) == 40);
	CHECK(receive(PSH | ACK, local_port, remote_port) == 40);
	CHECK(CALL(sendto, fd, octets, 50, 0, NULL, 0) == 50);
	CHECK(receive(PSH | ACK, local_port, remote_port) == 50);
	CHECK(CALL(sendmsg, fd, &message, 0) == 30);
	CHECK(receive(PSH | ACK, local_port, remote_port) == 30);
	FAILS(CALL(write, 99, octets, 1), EBADF);
	FAILS(CALL(write, fd, NULL, 1), EFAULT);
	inject(ACK, 0);
}

static void read_in_every_way(int fd)
{
	char octets[300] = {0};
	struct iovec parts[2] = {{octets, 10}, {octets + 10, 20}};
	char control[100];
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT};
	int waiting = 0;

	CHECK(CALL(fcntl, fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	FAILS(CALL(read, fd, octets, 1), EAGAIN);
	CHECK(CALL(poll, &entry, 1, 0) == 1 && entry.revents == POLLOUT);
	inject(PSH | ACK, 250);
	CHECK(CALL(poll, &entry, 1, 0) == 1 && entry.revents == (POLLIN | POLLOUT));
	CHECK(CALL(ioctl, fd, FIONREAD, &waiting) == 0 && waiting == 250);
	CHECK(CALL(recv, fd, octets, 300, MSG_PEEK) == 250 && octets[0] == 'x' && octets[249] == 'x' && octets[250] == 0);
	memset(octets, 0, sizeof(octets));
	CHECK(CALL(read, fd, octets, 20) == 20 && octets[19] == 'x' && octets[20] == 0);
	CHECK(CALL(recv, fd, octets, 30, 0) == 30);
	CHECK(CALL(recvfrom, fd, octets, 40, 0, NULL, NULL) == 40);
	memset(octets, 0, sizeof(octets));
	CHECK(CALL(readv, fd, parts, 2) == 30 && octets[29] == 'x' && octets[30] == 0);
	CHECK(CALL(recvmsg, fd, &message, 0) == 30 && message.msg_controllen == 0 && message.msg_flags == 0);
	CHECK(CALL(ioctl, fd, FIONREAD, &waiting) == 0 && waiting == 100);
	FAILS(CALL(read, fd, NULL, 1), EFAULT);
}

static void splice_and_pipe(int fd)
{
	int ends[2] = {-1, -1};
	char octets[200] = {0};

	CHECK(CALL(pipe, ends) == 0 && ends[0] >= 0 && ends[1] >= 0 && ends[0] != ends[1]);
	CHECK(CALL(splice, fd, NULL, ends[1], NULL, 60, 0) == 60);
	CHECK(CALL(read, ends[0], octets, 200) == 60 && octets[59] == 'x' && octets[60] == 0);
	CHECK(CALL(read, fd, octets, 200) == 40);
	CHECK(CALL(close, ends[0]) == 0 && CALL(close, ends[1]) == 0);
}

static void wait_with_epoll(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefULL}, found = {0};
	int epoll = CALL(epoll_create, 1);
	long long before;

	CHECK(epoll >= 0);
	FAILS(CALL(epoll_create, 0), EINVAL);
	CHECK(CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	FAILS(CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event), EEXIST);
	before = now_us();
	CHECK(CALL(epoll_wait, epoll, &found, 1, 50) == 0);
	CHECK(now_us() - before >= 50000 && now_us() - before < 51000);
	inject(PSH | ACK, 10);
	CHECK(CALL(epoll_wait, epoll, &found, 1, 0) == 1);
	CHECK(found.events == EPOLLIN && found.data.u64 == 0x123456789abcdefULL);
	CHECK(CALL(close, epoll) == 0);
}

/* A thread that blocks, as packetdrill's second one does. */
struct blocked {
	int fd;
	pid_t thread;
	ssize_t result;
	long long returned_at;
};

static void *read_and_block(void *argument)
{
	struct blocked *blocked = argument;
	char octets[100];

	__atomic_store_n(&blocked->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	blocked->result = CALL(recv, blocked->fd, octets, sizeof(octets), 0);
	blocked->returned_at = now_us();
	return NULL;
}

static int sleeps(pid_t thread)
{
	char path[64], line[256] = {0}, *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	file = fopen(path, "r");
	if (!file)
		return 1;
	if (!fgets(line, sizeof(line), file))
		line[0] = 0;
	fclose(file);
	state = strrchr(line, ')');
	return state && state[2] == 'S';
}

static void block_in_a_thread(int fd)
{
	struct blocked blocked = {.fd = fd};
	pthread_t thread;
	char octets[100];
	long long arrived;

	CHECK(CALL(read, fd, octets, 100) == 10);
	CHECK(CALL(fcntl, fd, F_SETFL, O_RDWR) == 0);
	CHECK(pthread_create(&thread, NULL, read_and_block, &blocked) == 0);
	while (!__atomic_load_n(&blocked.thread, __ATOMIC_SEQ_CST) || !sleeps(blocked.thread))
		sched_yield();
	CHECK(CALL(usleep, 30000) == 0);
	arrived = now_us();
	inject(PSH | ACK, 7);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(blocked.result == 7);
	CHECK(blocked.returned_at >= arrived && blocked.returned_at < arrived + 100);
}

static void options(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);
	char info[512];
	socklen_t info_len = sizeof(info);

	CHECK(CALL(getsockopt, fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &value, &len) == 0 && value == 1 && len == 4);
	FAILS(CALL(getsockopt, 99, SOL_SOCKET, SO_ERROR, &value, &len), EBADF);
	CHECK(CALL(getsockopt, fd, IPPROTO_TCP, 11 /* TCP_INFO */, info, &info_len) == 0);
	CHECK(info_len >= 232 && info_len <= sizeof(info) && info[0] == 1 /* ESTABLISHED */);
	FAILS(CALL(setsockopt, fd, IPPROTO_TCP, 9999, &value, sizeof(value)), ENOPROTOOPT);
}

static void close_connection(int fd, int listener)
{
	char octet;

	CHECK(CALL(shutdown, fd, SHUT_WR) == 0);
	FAILS(CALL(shutdown, fd, 77), EINVAL);
	CHECK(receive(FIN | ACK, local_port, remote_port) == 0);
	inject(FIN | ACK, 0);
	CHECK(CALL(read, fd, &octet, 1) == 0);
	CHECK(CALL(close, fd) == 0);
	FAILS(CALL(close, fd), EBADF);
	CHECK(CALL(close, listener) == 0);
}

static void connect_and_disconnect(void)
{
	struct sockaddr_in there = address(REMOTE, 8080);
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	uint8_t packet[2000];
	size_t len;
	long long at;
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), syns = 0;

	FAILS(CALL(connect, fd, (struct sockaddr *)&there, sizeof(there)), EINPROGRESS);
	/* The last ACK of the connection before comes first. */
	do {
		len = sizeof(packet);
		CHECK(CALL(netdev_receive, packet, &len, &at) == 0 && len >= 40);
		syns += packet[33] == SYN && get16(packet + 22) == 8080;
	} while (!syns);
	FAILS(CALL(connect, fd, (struct sockaddr *)&there, sizeof(there)), EALREADY);
	CHECK(CALL(connect, fd, &nowhere, sizeof(nowhere)) == 0);
	CHECK(CALL(close, fd) == 0);
	/* Nothing is left to be sent, and waiting for a packet says so. */
	do {
		len = sizeof(packet);
		CHECK(CALL(netdev_receive, packet, &len, &at) == 0);
	} while (len != 0);
}

int main(int argc, char **argv)
{
	void (*init)(const char *, struct table *);
	struct table first;
	void *library;
	int fd, again, listener;
	size_t count = 0;

	CHECK(argc == 2);
	library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!library)
		printf("%s\n", dlerror());
	CHECK(library);
	init = (void (*)(const char *, struct table *))dlsym(library, "packetdrill_interface_init");
	CHECK(init);
	init("seed=1,local_ip=192.168.0.1", &t);

	fd = open_connection(&listener);
	write_in_every_way(fd);
	read_in_every_way(fd);
	splice_and_pipe(fd);
	wait_with_epoll(fd);
	block_in_a_thread(fd);
	options(fd);
	close_connection(fd, listener);
	connect_and_disconnect();

	/* A second script in the same process begins afresh, while the first machine still lives. */
	first = t;
	init(NULL, &t);
	CHECK(t.user != first.user);
	again = CALL(socket, AF_INET6, SOCK_STREAM, 0);
	CHECK(again == listener);
	used[0] = 1;
	first.free(first.user);
	CHECK(CALL(close, again) == 0);
	t.free(t.user);

	for (size_t i = 0; i < FUNCTIONS; i++)
		count += used[i];
	printf("%zu of %zu functions\n", count, FUNCTIONS);
	return count == FUNCTIONS ? 0 : 1;
}
