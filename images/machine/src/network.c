/* A network namespace of the machine's own, its wires, and the doors that stay in the rack's, which Docker made and
 * all machines of an attempt begin in. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

#define FRESH_SYS BOOT "/sys"

struct sysctl {
    const char *path, *value;
};

/* The rack only joins NICs: nothing answers on its bridges, and nothing is passed on from them. Settings of
 * `default` hold for what is made later. */
static const struct sysctl OF_THE_RACK[] = {
    {"/proc/sys/net/ipv4/ip_forward", "0"},
    {"/proc/sys/net/ipv4/conf/all/rp_filter", "1"}, /* of `all` and a NIC's own, the higher number holds */
    {"/proc/sys/net/ipv4/conf/default/rp_filter", "1"},
    {"/proc/sys/net/ipv4/conf/default/arp_ignore", "8"},
    {"/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"},
};

/* What a new namespace takes over from the engine's host, set as the kernel's defaults have it. */
static const struct sysctl OF_THE_MACHINE[] = {
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

static void set(const struct sysctl *all, size_t count) {
    for (size_t k = 0; k < count; k++) write_existing(all[k].path, all[k].value);
}

/* In the rack: a bridge, made by the first machine on the wire, and a veth from it to this one. The learner owns
 * the veth's far end alone. */
static void build_wire(const struct wire *w, int machine_ns) {
    add_bridge(w->bridge);
    add_veth(index_of(w->bridge), w, machine_ns);
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
    struct doors doors = {listen_on(s->grader_port), s->learner_port ? listen_on(s->learner_port) : -1};
    int rack_ns = current_namespace();
    set(OF_THE_RACK, sizeof OF_THE_RACK / sizeof *OF_THE_RACK);
    must(unshare(CLONE_NEWNET), "network namespace");
    int machine_ns = current_namespace();
    must(setns(rack_ns, CLONE_NEWNET), "network namespace");
    for (size_t k = 0; k < s->wire_count; k++) build_wire(&s->wires[k], machine_ns);
    must(setns(machine_ns, CLONE_NEWNET), "network namespace");
    close(rack_ns);
    close(machine_ns);
    set(OF_THE_MACHINE, sizeof OF_THE_MACHINE / sizeof *OF_THE_MACHINE);
    set_up("lo");
    for (size_t k = 0; k < s->wire_count; k++) configure_wire(&s->wires[k]);
    show_own_nics();
    return doors;
}
