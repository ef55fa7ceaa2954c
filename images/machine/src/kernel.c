/* The files of /etc, /proc and /sys that Docker laid over a machine, made the machine's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine.h"

#define HARMLESS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

void make_boot_folder(void) {
    must(mount("tmpfs", BOOT, "tmpfs", HARMLESS, "mode=0700,size=32m"), "%s", BOOT);
}

/* Once SYS_ADMIN is gone, nobody in the machine can write to it, cover it or take it away. A mount's own
 * folder cannot be renamed, but the one above it could, with a forged one in its place: so /opt is a mount, too. */
void seal_boot_folder(void) {
    must(mount(NULL, BOOT, NULL, MS_REMOUNT | MS_RDONLY | HARMLESS, NULL), "%s", BOOT);
    must(mount("/opt", "/opt", NULL, MS_BIND | MS_REC, NULL), "/opt");
}

/* The same for one child, in mounts of its own: without MS_BIND it would be for its parent, too. */
void protect_boot_folder(void) {
    must(unshare(CLONE_NEWNS), "mounts");
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mounts");
    must(mount("/opt", "/opt", NULL, MS_BIND | MS_REC, NULL), "/opt");
    must(mount(NULL, BOOT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | HARMLESS, NULL), "%s", BOOT);
}

/* Beneath Docker's mount lies what the engine put there, or an empty placeholder of Docker's, which hides the
 * image's own file: it gets the content that every Debian has. */
static void make_plain_file(const char *path, const char *content) {
    struct stat s;
    if (umount2(path, MNT_DETACH) && errno != EINVAL && errno != ENOENT) die("%s", path);
    bool missing = lstat(path, &s);
    if (missing || (S_ISREG(s.st_mode) && s.st_size == 0 && (s.st_mode & 0777) == 0755))
        write_file(path, 0644, content, strlen(content));
}

/* Docker has named the machine after the rack. */
void make_plain_files(const char *hostname) {
    char named[HOST_NAME_MAX + 2], hosts[HOST_NAME_MAX + 128];
    must(sethostname(hostname, strlen(hostname)), "host name");
    snprintf(named, sizeof named, "%s\n", hostname);
    snprintf(hosts, sizeof hosts, "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\t\tlocalhost ip6-localhost ip6-loopback\n",
             hostname);
    make_plain_file("/etc/hosts", hosts);
    make_plain_file("/etc/hostname", named);
    make_plain_file("/etc/resolv.conf", "");
}

/* With version 1, a remount without MS_BIND would ask for the whole hierarchy: EBUSY. */
void own_cgroup(void) {
    bool second = !access("/sys/fs/cgroup/cgroup.controllers", F_OK);
    const char *path = second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/systemd";
    if (!second && access(path, F_OK)) return; /* no systemd on the engine's host: init says what it misses */
    must(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | HARMLESS, NULL), "%s", path);
}

/* What is not the network namespace's own is read-only there anyway; kernel.* stays refused. */
void own_sysctl(void) {
    must(mount("/proc/sys/net", "/proc/sys/net", NULL, MS_BIND | MS_REC, NULL), "/proc/sys/net");
    must(mount(NULL, "/proc/sys/net", NULL, MS_REMOUNT | MS_BIND | HARMLESS, NULL), "/proc/sys/net");
}

/* The kernel's boot_id is the engine host's: with it the journal would know one boot for ever. */
void own_boot_id(void) {
    char id[64];
    int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC);
    must(fd, "/proc/sys/kernel/random/uuid");
    ssize_t n = read(fd, id, sizeof id);
    must(n, "/proc/sys/kernel/random/uuid");
    close(fd);
    write_file(BOOT "/boot_id", 0444, id, (size_t)n);
    must(mount(BOOT "/boot_id", BOOT_ID, NULL, MS_BIND, NULL), BOOT_ID);
    must(mount(NULL, BOOT_ID, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | HARMLESS, NULL), BOOT_ID);
}

/* Out of every set, for good: this process, and all it starts. */
static void drop(unsigned capability) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    const uint32_t others = ~(1u << capability);
    must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities");
    must(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "bounding set");
    must(syscall(SYS_capget, &header, data), "capabilities");
    data[0].effective &= others;
    data[0].permitted &= others;
    data[0].inheritable &= others;
    must(syscall(SYS_capset, &header, data), "capabilities");
}

void drop_sys_admin(void) {
    drop(CAP_SYS_ADMIN);
}

/* With it a process could seize one that still has SYS_ADMIN. */
void drop_sys_ptrace(void) {
    drop(CAP_SYS_PTRACE);
}
