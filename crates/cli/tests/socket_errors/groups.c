// Groups with sources (ip(7), RFC 3678): what is refused, and who is heard.

#include "common.h"

#define GROUP "232.1.2.3"
#define GROUP_V6 "ff32::1:2"

static struct in_addr v4(const char *text) {
    struct in_addr address;
    inet_pton(AF_INET, text, &address);
    return address;
}

static int by_address(int fd, int name, const char *group, const char *source) {
    struct ip_mreq_source request = {
        .imr_multiaddr = v4(group), .imr_interface = v4("127.0.0.1"), .imr_sourceaddr = v4(source)};
    return setsockopt(fd, IPPROTO_IP, name, &request, sizeof request);
}

static int any_source(int fd, int name, const char *group) {
    struct ip_mreq request = {.imr_multiaddr = v4(group), .imr_interface = v4("127.0.0.1")};
    return setsockopt(fd, IPPROTO_IP, name, &request, sizeof request);
}

static int by_index(int fd, int level, int name, const char *group, const char *source) {
    struct group_source_req request = {.gsr_interface = 1};
    struct address g = at(group, 0), s = at(source, 0);
    memcpy(&request.gsr_group, &g.storage, sizeof request.gsr_group);
    memcpy(&request.gsr_source, &s.storage, sizeof request.gsr_source);
    return setsockopt(fd, level, name, &request, sizeof request);
}

static int filter(int fd, int mode, int count) {
    struct { struct ip_msfilter filter; struct in_addr more[20]; } request = {0};
    request.filter.imsf_multiaddr = v4(GROUP);
    request.filter.imsf_interface = v4("127.0.0.1");
    request.filter.imsf_fmode = mode;
    request.filter.imsf_numsrc = count;
    struct in_addr *sources = (struct in_addr *)((char *)&request + 16);
    for (int i = 0; i < count && i < 20; i++) sources[i].s_addr = htonl(0x0a000001 + i);
    return setsockopt(fd, IPPROTO_IP, IP_MSFILTER, &request, 16 + 4 * count);
}

static void sources(void) {
    int fd = udp(AF_INET);
    SAY("leave what is not joined", by_address(fd, IP_DROP_SOURCE_MEMBERSHIP, GROUP, "10.0.0.1"));
    SAY("block without a membership", by_address(fd, IP_BLOCK_SOURCE, GROUP, "10.0.0.1"));
    SAY("no group", by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, "10.1.1.1", "10.0.0.1"));
    SAY("join", by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "10.0.0.1"));
    SAY("again", by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "10.0.0.1"));
    SAY("another", by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "10.0.0.2"));
    SAY("any source then", any_source(fd, IP_ADD_MEMBERSHIP, GROUP));
    SAY("block then", by_address(fd, IP_BLOCK_SOURCE, GROUP, "10.0.0.1"));
    SAY("leave another", by_address(fd, IP_DROP_SOURCE_MEMBERSHIP, GROUP, "10.0.0.3"));
    SAY("leave", by_address(fd, IP_DROP_SOURCE_MEMBERSHIP, GROUP, "10.0.0.1"));
    SAY("leave the last", by_address(fd, IP_DROP_SOURCE_MEMBERSHIP, GROUP, "10.0.0.2"));
    SAY("leave once more", by_address(fd, IP_DROP_SOURCE_MEMBERSHIP, GROUP, "10.0.0.2"));
    SAY("any source", any_source(fd, IP_ADD_MEMBERSHIP, GROUP));
    SAY("block", by_address(fd, IP_BLOCK_SOURCE, GROUP, "10.0.0.1"));
    SAY("block again", by_address(fd, IP_BLOCK_SOURCE, GROUP, "10.0.0.1"));
    SAY("one source then", by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "10.0.0.1"));
    SAY("unblock another", by_address(fd, IP_UNBLOCK_SOURCE, GROUP, "10.0.0.2"));
    SAY("unblock", by_address(fd, IP_UNBLOCK_SOURCE, GROUP, "10.0.0.1"));
    SAY("one source of those that want all", by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "10.0.0.1"));
    SAY("leave it", any_source(fd, IP_DROP_MEMBERSHIP, GROUP));
    for (int i = 1; i <= 11; i++) {
        char source[16];
        snprintf(source, sizeof source, "10.0.0.%d", i);
        if (i > 9) SAY("many", by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, source));
        else MUST(by_address(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, source));
    }
    SAY("a filter", filter(fd, MCAST_EXCLUDE, 3));
    SAY("unblock one of them", by_address(fd, IP_UNBLOCK_SOURCE, GROUP, "10.0.0.3"));
    SAY("too many", filter(fd, MCAST_INCLUDE, 11));
    SAY("no mode", filter(fd, 7, 1));
    SAY("nobody", filter(fd, MCAST_INCLUDE, 0));
    SAY("a filter without a membership", filter(fd, MCAST_EXCLUDE, 1));
    SAY("by index", by_index(fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, GROUP, "10.0.0.1"));
    SAY("by index, again", by_index(fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, GROUP, "10.0.0.1"));
    SAY("of the other family", by_index(fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, GROUP, "fd00::1"));
    SAY("leave by index", by_index(fd, IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, GROUP, "10.0.0.1"));
    SAY("short", setsockopt(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, "abcdefgh", 8));
    int six = udp(AF_INET6);
    SAY("v6", by_index(six, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, GROUP_V6, "fd00::1"));
    SAY("v6, again", by_index(six, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, GROUP_V6, "fd00::1"));
    SAY("v6, block", by_index(six, IPPROTO_IPV6, MCAST_BLOCK_SOURCE, GROUP_V6, "fd00::1"));
    SAY("v6, leave", by_index(six, IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, GROUP_V6, "fd00::1"));
    SAY("v6, once more", by_index(six, IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, GROUP_V6, "fd00::1"));
}

static void heard(void) {
    int server = udp(AF_INET), client = udp(AF_INET);
    MUST(bind(server, OF(at("0.0.0.0", 0))));
    MUST(bind(client, OF(at("127.0.0.1", 0))));
    struct in_addr lo = v4("127.0.0.1");
    MUST(setsockopt(client, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo));
    struct { const char *what; int name; const char *source; } steps[] = {
        {"from another", IP_ADD_SOURCE_MEMBERSHIP, "10.0.0.1"},
        {"from this one", IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"},
        {"not from this one any more", IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        MUST(by_address(server, steps[i].name, GROUP, steps[i].source));
        COUNT("sent", sendto(client, "abc", 3, 0, OF(at(GROUP, port_of(server)))));
        usleep(100000);
        char text[8];
        COUNT(steps[i].what, recv(server, text, sizeof text, MSG_DONTWAIT));
    }
}

SECTIONS({"sources", sources}, {"heard", heard})
