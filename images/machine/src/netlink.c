/* The few rtnetlink requests it takes to build a wire. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "machine.h"

struct request {
    struct nlmsghdr header;
    char body[1024]; /* the largest request, a veth pair, takes some 200 bytes */
};

static struct rtattr *put(struct request *q, unsigned short type, const void *data, size_t size) {
    struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->header.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size) memcpy(RTA_DATA(a), data, size);
    q->header.nlmsg_len = NLMSG_ALIGN(q->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
    return a;
}

static struct rtattr *open_nest(struct request *q, unsigned short type) { return put(q, type, NULL, 0); }

static void close_nest(struct request *q, struct rtattr *nest) {
    nest->rta_len = (unsigned short)((char *)q + q->header.nlmsg_len - (char *)nest);
}

static void put_int(struct request *q, unsigned short type, uint32_t value) { put(q, type, &value, sizeof value); }
static void put_text(struct request *q, unsigned short type, const char *text) { put(q, type, text, strlen(text) + 1); }

static void *start(struct request *q, unsigned short type, unsigned short flags, size_t size) {
    memset(q, 0, sizeof *q);
    q->header.nlmsg_type = type;
    q->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    q->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
    return NLMSG_DATA(&q->header);
}

/* 0, or the kernel's reason against it. */
static int answer_to(struct request *q, const char *what) {
    char reply[4096];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    must(fd, "netlink");
    must(send(fd, q, q->header.nlmsg_len, 0), "%s", what);
    must(recv(fd, reply, sizeof reply, 0), "%s", what);
    close(fd);
    const struct nlmsgerr *answer = NLMSG_DATA((struct nlmsghdr *)reply);
    return -answer->error;
}

static void ask(struct request *q, const char *what) {
    errno = answer_to(q, what);
    if (errno) die("%s", what);
}

unsigned index_of(const char *name) {
    unsigned index = if_nametoindex(name);
    if (!index) die("%s", name);
    return index;
}

/* A link that is up from the start. */
static void start_link(struct request *q) {
    struct ifinfomsg *link = start(q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
    link->ifi_flags = link->ifi_change = IFF_UP;
}

/* Unless it is there. Without snooping, which would have the bridge itself send reports on the wire. */
void add_bridge(const char *name) {
    struct request q;
    unsigned char off = 0;
    start_link(&q);
    put_text(&q, IFLA_IFNAME, name);
    struct rtattr *info = open_nest(&q, IFLA_LINKINFO);
    put_text(&q, IFLA_INFO_KIND, "bridge");
    struct rtattr *data = open_nest(&q, IFLA_INFO_DATA);
    put(&q, IFLA_BR_MCAST_SNOOPING, &off, sizeof off);
    close_nest(&q, data);
    close_nest(&q, info);
    errno = answer_to(&q, name);
    if (errno && errno != EEXIST) die("%s", name);
}

/* One end in the bridge, with a name of the kernel's choice: that of an earlier boot may not be gone yet. The other
 * is born in the machine's namespace, with its name and MAC address. */
void add_veth(unsigned bridge, const struct wire *w, int machine_ns) {
    struct request q;
    struct ifinfomsg none = {0};
    start_link(&q);
    put_int(&q, IFLA_MASTER, bridge);
    struct rtattr *info = open_nest(&q, IFLA_LINKINFO);
    put_text(&q, IFLA_INFO_KIND, "veth");
    struct rtattr *data = open_nest(&q, IFLA_INFO_DATA);
    struct rtattr *peer = put(&q, VETH_INFO_PEER, &none, sizeof none);
    put_text(&q, IFLA_IFNAME, w->nic);
    put_int(&q, IFLA_NET_NS_FD, (uint32_t)machine_ns);
    put(&q, IFLA_ADDRESS, w->mac, sizeof w->mac);
    close_nest(&q, peer);
    close_nest(&q, data);
    close_nest(&q, info);
    ask(&q, w->nic);
}

void set_up(const char *name) {
    struct request q;
    struct ifinfomsg *link = start(&q, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = (int)index_of(name);
    link->ifi_flags = link->ifi_change = IFF_UP;
    ask(&q, name);
}

void add_address(unsigned index, struct in_addr address, unsigned prefix) {
    struct request q;
    struct in_addr last = {prefix < 31 ? address.s_addr | htonl(0xffffffffu >> prefix) : 0};
    struct ifaddrmsg *a = start(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *a);
    a->ifa_family = AF_INET;
    a->ifa_prefixlen = (unsigned char)prefix;
    a->ifa_index = index;
    put(&q, IFA_LOCAL, &address, sizeof address);
    put(&q, IFA_ADDRESS, &address, sizeof address);
    if (last.s_addr) put(&q, IFA_BROADCAST, &last, sizeof last);
    ask(&q, inet_ntoa(address));
}

void add_gateway(struct in_addr gateway) {
    struct request q;
    struct rtmsg *route = start(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *route);
    route->rtm_family = AF_INET;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    put(&q, RTA_GATEWAY, &gateway, sizeof gateway);
    ask(&q, "default gateway");
}
