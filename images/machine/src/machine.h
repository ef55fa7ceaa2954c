/* What the parts of the machine program share. */
#ifndef MACHINE_H
#define MACHINE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define TOOLS "/opt/internbox" /* the read-only volume this program lies on */
#define BOOT TOOLS "/boot"     /* a tmpfs of this boot, read-only once init runs */

#define NIC_SIZE 16 /* IFNAMSIZ */
#define SEAL_SIZE 64
#define MAX_WIRES 32

/* A NIC of the machine, and the bridge in the rack that is its wire. */
struct wire {
    char nic[NIC_SIZE], bridge[NIC_SIZE];
    unsigned char mac[6];
    struct in_addr address, gateway; /* 0.0.0.0 where the machine's own init sets them */
    unsigned prefix;
};

/* The environment the engine starts a machine with. */
struct settings {
    bool systemd;
    char *hostname;
    uint16_t grader_port, learner_port; /* 0: no learner logs in */
    char *key;
    char *seal; /* of SEAL_SIZE characters, in the environment itself; NULL once it has been wiped there */
    unsigned char *hostkey;
    size_t hostkey_size;
    struct timespec created;
    struct wire wires[MAX_WIRES];
    size_t wire_count;
};

/* errors.c: `what` and, after a colon, what errno means; die() ends the program with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define must(call, ...) do { if ((call) < 0) die(__VA_ARGS__); } while (0)

/* files.c */
bool write_all(int fd, const void *data, size_t size);
void write_file(const char *path, mode_t mode, const void *data, size_t size);
void write_existing(const char *path, const char *text);

/* settings.c */
void read_settings(struct settings *s);
bool parse_time(const char *text, struct timespec *t);

/* kernel.c: the files of /etc, /sys and /proc that Docker made its own */
void make_boot_folder(void);
void seal_boot_folder(void);
void protect_boot_folder(void);
void make_plain_files(const char *hostname);
void own_cgroup(void);
void own_sysctl(void);
void own_boot_id(void);
void drop_sys_admin(void);
void drop_sys_ptrace(void);

/* netlink.c: one rtnetlink request each; they die when the kernel refuses */
unsigned index_of(const char *name);
void add_bridge(const char *name);
void add_veth(unsigned bridge, const struct wire *w, int machine_ns);
void set_up(const char *name);
void add_address(unsigned index, struct in_addr address, unsigned prefix);
void add_gateway(struct in_addr gateway);

/* network.c */
struct doors { int grader, learner; }; /* listening sockets; learner is -1 where nobody logs in */
struct doors own_network(const struct settings *s);

/* serve.c */
void start_server(struct doors doors);
int serve(int argc, char **argv);

/* relay.c */
_Noreturn void relay(int client);

/* offline.c: false when the script failed, with the report in BOOT */
bool run_offline_phase(void);

/* init.c */
_Noreturn void start_init(bool systemd, bool tty);
int run_init(bool with_services);

/* measure.c: inodes that are later, beside what else is in a folder that is, and the places, without their content */
bool measure(FILE *out, const struct timespec *later_than);

/* loader.c: true when the cache sends programs for one of the system's libraries elsewhere, or cannot be understood */
bool loader_cache_misleads(const char *path);

/* seal.c: the last line of a report that was written so far */
bool seal_report(FILE *report, const char key[SEAL_SIZE]);

/* sha256.c; a file is read from where it stands, and is false when unreadable or longer than `limit` bytes */
#define SHA256_SIZE 32
#define SHA256_HEX 65 /* lower case, and a NUL */
struct sha256 {
    uint32_t state[8];
    uint64_t total;
    unsigned char rest[64];
};
void sha256_start(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t size);
bool sha256_add_file(struct sha256 *h, int fd, off_t limit);
void sha256_end(struct sha256 *h, unsigned char digest[SHA256_SIZE]);
void sha256_hex(struct sha256 *h, char hex[SHA256_HEX]);
bool sha256_of(int fd, off_t limit, char hex[SHA256_HEX]);

#endif
