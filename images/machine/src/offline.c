/* The offline phase of the first boot: the scenario's script, before init and without SYS_ADMIN. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"

#define LAID "/.internbox" /* laid by the engine, gone after the first boot */
#define TAIL_SIZE 65536
#define LIMIT_SECONDS 300
#define MAX_REFRESHED ((off_t)1 << 20)
#define COMPANY 16 /* of a folder's other files, as many share the new time */
#define LAYING_SECONDS 60 /* what the engine lays is no older than that when the script is */

/* The last bytes of an output. */
struct tail {
    char data[2 * TAIL_SIZE];
    size_t size;
};

static void keep(struct tail *t, size_t added) {
    t->size += added;
    if (t->size <= TAIL_SIZE) return;
    memmove(t->data, t->data + t->size - TAIL_SIZE, TAIL_SIZE);
    t->size = TAIL_SIZE;
}

/* Root of an earlier boot may have laid it: PID 1, which still has SYS_ADMIN, and what was measured are out of its
 * reach. */
static _Noreturn void run_script(int output) {
    char *arguments[] = {"/bin/bash", LAID "/offline", NULL};
    char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                           "LANG=C.UTF-8", NULL};
    int null = open("/dev/null", O_RDONLY);
    setsid();
    if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || chdir("/")) _exit(126);
    close(null);
    protect_boot_folder();
    drop_sys_admin();
    drop_sys_ptrace();
    execve(arguments[0], arguments, environment);
    warn("%s", arguments[0]);
    _exit(127);
}

static time_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* Reads what is there; false once every writer has gone. */
static bool drain(int fd, struct tail *t) {
    for (;;) {
        ssize_t n = read(fd, t->data + t->size, TAIL_SIZE);
        if (n > 0) keep(t, (size_t)n);
        else return n < 0;
    }
}

/* The script's status as waitpid tells it, or -1 when its time was up. A process it left behind may hold the
 * pipe open, so its end is the child's, not the pipe's. */
static int follow(pid_t child, int output, struct tail *t) {
    time_t deadline = now() + LIMIT_SECONDS;
    bool open = true;
    for (int status; now() < deadline;) {
        struct pollfd p = {open ? output : -1, POLLIN, 0};
        poll(&p, 1, open ? 20 : 1); /* most end a moment after they let go of it */
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (open) open = drain(output, t);
        if (ended == child) return status;
    }
    return -1;
}

/* Nothing of the script may live on beside init. */
static void end_leftovers(void) {
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {}
}

static bool is_laid(void) {
    struct stat folder, script;
    return !lstat(LAID, &folder) && S_ISDIR(folder.st_mode) && folder.st_uid == 0 &&
           !lstat(LAID "/offline", &script) && S_ISREG(script.st_mode) && script.st_uid == 0 &&
           script.st_mode & S_IXUSR;
}

static int run_to_end(struct tail *t) {
    int ends[2];
    must(pipe2(ends, O_CLOEXEC), "pipe");
    pid_t child = fork();
    must(child, "offline phase");
    if (child == 0) run_script(ends[1]);
    close(ends[1]);
    must(fcntl(ends[0], F_SETFL, O_NONBLOCK), "pipe");
    int status = follow(child, ends[0], t);
    end_leftovers();
    close(ends[0]);
    return status;
}

/* BOOT/failed: how it ended, in the first line, and the end of what it said. */
static void report_failure(int status, const struct tail *t) {
    char text[TAIL_SIZE + 64];
    int n;
    if (status == -1) n = sprintf(text, "exit timeout\n");
    else if (WIFSIGNALED(status)) n = sprintf(text, "exit signal %d\n", WTERMSIG(status));
    else n = sprintf(text, "exit %d\n", WEXITSTATUS(status));
    memcpy(text + n, t->data, t->size);
    write_file(BOOT "/failed", 0600, text, (size_t)n + t->size);
    errno = 0;
    warn("the offline phase failed: %.*s%.*s", n, text, (int)t->size, t->data);
}

static bool is_drawn(unsigned count) {
    unsigned number;
    return getrandom(&number, sizeof number, 0) < 0 || number % count < COMPANY;
}

/* A fresh ctime without any change: chown would take setuid bits and file capabilities away. What was laid gets one
 * with what lay there before. Each of those is copied out of the image for it, a quarter of a millisecond: of many,
 * some will do, other ones on every machine. */
static void refresh(int folder, const char *name, time_t laid, unsigned count) {
    struct stat s;
    if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW)) return;
    if (s.st_ctim.tv_sec < laid && !is_drawn(count)) return;
    if (S_ISREG(s.st_mode) && s.st_size > MAX_REFRESHED) return;
    int result = S_ISLNK(s.st_mode) ? fchownat(folder, name, s.st_uid, s.st_gid, AT_SYMLINK_NOFOLLOW)
                                    : fchmodat(folder, name, s.st_mode & 07777, 0);
    if (result) warn("%s: ctime", name);
}

static void refresh_folder(const char *path, time_t laid) {
    DIR *entries = opendir(path);
    unsigned count = 0;
    if (!entries) {
        warn("%s: neighbours", path);
        return;
    }
    while (readdir(entries)) count++;
    rewinddir(entries);
    for (struct dirent *e; (e = readdir(entries));)
        if (strcmp(e->d_name, "..")) refresh(dirfd(entries), e->d_name, laid, count);
    closedir(entries);
}

static void refresh_neighbours(void) {
    char *line = NULL;
    size_t size = 0;
    struct stat script;
    must(lstat(LAID "/offline", &script), LAID);
    time_t laid = script.st_ctim.tv_sec - LAYING_SECONDS;
    FILE *list = fopen(LAID "/neighbours", "re");
    if (!list) return;
    for (ssize_t n; (n = getline(&line, &size, list)) > 0;) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        if (*line == '/') refresh_folder(line, laid);
    }
    free(line);
    fclose(list);
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)s, (void)type, (void)ftw;
    return remove(path);
}

bool run_offline_phase(void) {
    static struct tail tail;
    if (!is_laid()) return true;
    int status = run_to_end(&tail);
    write_file(BOOT "/offline.log", 0600, tail.data, tail.size);
    if (status) {
        report_failure(status, &tail);
        return false;
    }
    refresh_neighbours();
    must(nftw(LAID, remove_entry, 16, FTW_DEPTH | FTW_PHYS), LAID);
    return true;
}
