/* A network namespace of the machine's own, its wires, and the doors that stay in Docker's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

#define GRADER_PORT 2222
#define LEARNER_PORT 2200
#define FRESH_SYS BOOT "/sys"

/* What a new namespace takes over from the engine's host, set as the kernel's defaults have it. */
static const char *const SYSCTLS[][2] = {
    {"/proc/sys/net/ipv4/ip_forward", "0"},
    {"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
    {"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
    {"/proc/sys/net/ipv4/conf/all/route_localnet", "0"},
    {"/proc/sys/net/ipv4/conf/default/route_localnet", "0"},
    {"/proc/sys/net/ipv4/ping_group_range", "0 2147483647"}, /* as systemd sets it on Debian */
};

/* The listening socket stays in the namespace it was made in. */
static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    must(fd, "port %d", port);
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "port %d", port);
    must(bind(fd, (void *)&here, sizeof here), "port %d", port);
    must(listen(fd, 64), "port %d", port);
    return fd;
}

static int current_namespace(void) {
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    must(fd, "/proc/self/ns/net");
    return fd;
}

/* In Docker's namespace: a bridge with a VXLAN port to the other hosts and a veth to the machine. The learner
 * owns the veth's far end alone, so VNI and peers are out of reach. */
static void build_wire(const struct wire *w, size_t number, int machine_ns) {
    char bridge[NIC_SIZE], vxlan[NIC_SIZE], veth[NIC_SIZE];
    snprintf(bridge, sizeof bridge, "wire%zu", number);
    snprintf(vxlan, sizeof vxlan, "vxlan%zu", number);
    snprintf(veth, sizeof veth, "veth%zu", number);
    add_bridge(bridge);
    add_vxlan(vxlan, index_of(bridge), w->vni);
    for (size_t k = 0; k < w->peer_count; k++) add_peer(index_of(vxlan), w->peers[k]);
    add_veth(veth, index_of(bridge), w, machine_ns);
}

static void configure_wire(const struct wire *w) {
    if (!w->address.s_addr) return;
    set_up(w->nic);
    add_address(index_of(w->nic), w->address, w->prefix);
    if (w->gateway.s_addr) add_gateway(w->gateway);
}

/* /sys shows the namespace that it was mounted in: the new one's NICs are laid over it. */
static void show_own_nics(void) {
    must(mkdir(FRESH_SYS, 0700), FRESH_SYS);
    must(mount("sysfs", FRESH_SYS, "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "sysfs");
    must(mount(FRESH_SYS "/devices/virtual/net", "/sys/devices/virtual/net", NULL, MS_BIND, NULL), "/sys/devices");
    must(mount(FRESH_SYS "/class/net", "/sys/class/net", NULL, MS_BIND, NULL), "/sys/class/net");
    must(umount2(FRESH_SYS, MNT_DETACH), FRESH_SYS);
    must(rmdir(FRESH_SYS), FRESH_SYS);
}

struct doors own_network(const struct settings *s) {
    struct doors doors = {listen_on(GRADER_PORT), s->learner ? listen_on(LEARNER_PORT) : -1};
    int docker_ns = current_namespace();
    /* no link-local address on the bridges: nothing but the other hosts answers on a wire */
    write_existing("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    must(unshare(CLONE_NEWNET), "network namespace");
    int machine_ns = current_namespace();
    must(setns(docker_ns, CLONE_NEWNET), "network namespace");
    for (size_t k = 0; k < s->wire_count; k++) build_wire(&s->wires[k], k, machine_ns);
    must(setns(machine_ns, CLONE_NEWNET), "network namespace");
    close(docker_ns);
    close(machine_ns);
    for (size_t k = 0; k < sizeof SYSCTLS / sizeof *SYSCTLS; k++) write_existing(SYSCTLS[k][0], SYSCTLS[k][1]);
    set_up("lo");
    for (size_t k = 0; k < s->wire_count; k++) configure_wire(&s->wires[k]);
    show_own_nics();
    return doors;
}
