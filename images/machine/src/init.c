/* PID 1 after the machine is made: the image's init, or this program where there is none. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"

#define LOCAL_SERVICES "/etc/rc.local"
#define STOP_SIGNAL 37 /* SIGRTMIN+3 as Docker and systemd count; musl's SIGRTMIN is one higher */
#define GRACE_SECONDS 2
#define INOTIFY_NEEDED 6 /* what systemd and its own services take */

/* argv is the program and its arguments; the engine's variables do not reach it. */
static _Noreturn void become(char **argv, bool tty) {
    char *environment[] = {"container=docker", tty ? "TERM=linux" : NULL, NULL};
    execve(argv[0], argv, environment);
    die("%s", argv[0]);
}

/* The engine may have made it: it mounts what it lays over /etc/resolv.conf where a link leads. */
static void make_folder(const char *path) {
    if (mkdir(path, 0755) && errno != EEXIST) die("%s", path);
}

/* The mark that /var is there: it is so from the beginning here, and journald writes to it with its first line.
 * Otherwise a service would have to tell it, for which half of the boot would wait. */
static void open_journal(void) {
    make_folder("/run/systemd");
    make_folder("/run/systemd/journal");
    write_file("/run/systemd/journal/flushed", 0644, "", 0);
}

/* systemd that gets none freezes without a word, or with services that fail: better no boot, and a reason. */
static void need_inotify(void) {
    int taken[INOTIFY_NEEDED];
    for (int k = 0; k < INOTIFY_NEEDED; k++) {
        taken[k] = inotify_init1(IN_CLOEXEC);
        if (taken[k] < 0) die("the engine's host has no inotify instances left");
    }
    for (int k = 0; k < INOTIFY_NEEDED; k++) close(taken[k]);
}

void start_init(bool systemd, bool tty) {
    if (systemd) need_inotify();
    if (systemd) open_journal();
    char *theirs[] = {"/sbin/init", NULL}, *ours[] = {TOOLS "/machine", "init", NULL};
    become(systemd ? theirs : ours, tty);
}

static void start_services(const sigset_t *signals) {
    char *arguments[] = {LOCAL_SERVICES, NULL};
    char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                           "LANG=C.UTF-8", NULL};
    if (access(LOCAL_SERVICES, X_OK)) return;
    pid_t child = fork();
    must(child, LOCAL_SERVICES);
    if (child > 0) return;
    int null = open("/dev/null", O_RDONLY);
    sigprocmask(SIG_SETMASK, signals, NULL);
    setsid();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || chdir("/")) _exit(126);
    execve(arguments[0], arguments, environment);
    warn("%s", arguments[0]);
    _exit(127);
}

static void end_all(const sigset_t *signals) {
    struct timespec step = {.tv_nsec = 50000000};
    kill(-1, SIGTERM);
    for (int k = 0; k < GRACE_SECONDS * 20; k++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        if (errno == ECHILD) return;
        sigtimedwait(signals, NULL, &step);
    }
}

/* machine init: reaps what ends until it is told to stop; `machine wait` starts no services. */
int run_init(bool with_services) {
    sigset_t signals, before;
    errno = 0;
    if (getpid() != 1) die("only PID 1 is an init");
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, STOP_SIGNAL);
    sigprocmask(SIG_BLOCK, &signals, &before);
    if (with_services) start_services(&before);
    for (int signal;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        signal = sigwaitinfo(&signals, NULL);
        if (signal == SIGTERM || signal == STOP_SIGNAL) break;
    }
    end_all(&signals);
    return 0;
}
