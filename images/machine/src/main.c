/* Makes a machine of a Docker container before its init runs, and measures what is in it.
 *
 *   machine                the entrypoint: all steps, then init
 *   machine measure EPOCH  what changed after EPOCH, in seconds, in the measured places, and what is beside it
 *   machine manifest       all that is in the measured places
 *   machine serve|init|wait  its own parts, as processes with a clean environment
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

/* Whoever can read the memory or the environment of what is forked or run later must not find the key there. */
static void wipe_seal(struct settings *s) {
    explicit_bzero(s->seal, SEAL_SIZE);
    s->seal = NULL;
}

/* A report that is not whole is not there: it gets its name last. Its time tells it from those of earlier boots. */
static void report_changes(struct settings *s) {
    struct timespec now;
    FILE *out = fopen(BOOT "/report.part", "w+e");
    if (!out) die(BOOT "/report");
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(out, "boot\t%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    bool whole = measure(out, &s->created) && seal_report(out, s->seal);
    wipe_seal(s);
    if (fclose(out) || !whole) warn("the measurement is not complete");
    else must(rename(BOOT "/report.part", BOOT "/report"), BOOT "/report");
}

static void write_grader_files(const struct settings *s) {
    char line[4096];
    int n = snprintf(line, sizeof line, "%s\n", s->key);
    errno = 0;
    if (n < 0 || (size_t)n >= sizeof line) die("INTERNBOX_KEY is too long");
    write_file(BOOT "/authorized_keys", 0600, line, (size_t)n);
    write_file(BOOT "/hostkey", 0600, s->hostkey, s->hostkey_size);
}

/* The order matters: nothing of the image runs before it has been measured, and no script with SYS_ADMIN. */
static _Noreturn void boot(void) {
    static struct settings settings;
    char *wait[] = {TOOLS "/machine", "wait", NULL}, *nothing[] = {NULL};
    bool tty = isatty(STDIN_FILENO);
    errno = 0;
    if (getpid() != 1) die("this is the entrypoint of a machine; here are `machine measure` and `machine manifest`");
    umask(022);
    read_settings(&settings);
    make_boot_folder();
    report_changes(&settings);
    write_grader_files(&settings);
    make_plain_files(settings.hostname);
    own_cgroup();
    own_sysctl();
    struct doors doors = own_network(&settings);
    own_boot_id();
    bool ready = run_offline_phase();
    seal_boot_folder();
    drop_sys_admin();
    start_server(doors);
    if (ready) start_init(settings.systemd, tty);
    execve(wait[0], wait, nothing);
    die("%s", wait[0]);
}

static int print_changes(const char *since) {
    struct timespec later_than;
    errno = 0;
    if (!parse_time(since, &later_than)) die("%s is not a time in seconds", since);
    return measure(stdout, &later_than) ? 0 : 1;
}

int main(int argc, char **argv) {
    const char *part = argc > 1 ? argv[1] : "";
    if (argc == 1) boot();
    if (argc == 3 && !strcmp(part, "measure")) return print_changes(argv[2]);
    if (argc == 2 && !strcmp(part, "manifest")) return measure(stdout, NULL) ? 0 : 1;
    if (!strcmp(part, "serve")) return serve(argc, argv);
    if (argc == 2 && !strcmp(part, "init")) return run_init(true);
    if (argc == 2 && !strcmp(part, "wait")) return run_init(false);
    fputs("usage: machine [measure EPOCH | manifest]\n", stderr);
    return 2;
}
