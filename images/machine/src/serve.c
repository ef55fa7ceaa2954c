/* The doors: takes connections from the rack to the grader's server or the learner's sshd. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"

#define MAX_CONNECTIONS 32 /* of each door; more wait in the kernel's queue */

struct door {
    int listener; /* -1: closed */
    void (*answer)(int client); /* does not return */
    pid_t children[MAX_CONNECTIONS];
    size_t count;
};

static void discard_output(int fd) {
    int null = open("/dev/null", O_RDWR);
    must(null, "/dev/null");
    must(dup2(null, fd), "/dev/null");
    if (null != fd) close(null);
}

/* stderr would stand in the learner's journal. */
static _Noreturn void answer_grader(int client) {
    char *arguments[] = {"dropbear", "-i", "-W", "1048576", "-r", BOOT "/hostkey", "-D", BOOT, NULL};
    char *environment[] = {"LANG=C.UTF-8", NULL};
    discard_output(STDERR_FILENO);
    if (dup2(client, STDIN_FILENO) < 0 || dup2(client, STDOUT_FILENO) < 0) _exit(1);
    execve(TOOLS "/dropbear", arguments, environment);
    _exit(1);
}

/* Answers at once, and notices within minutes when the other side has gone. */
static void tune(int client) {
    int one = 1, idle = 60, tries = 3;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(client, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
    setsockopt(client, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

static void take(struct door *door, const sigset_t *signals) {
    int client = accept4(door->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) return;
    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, signals, NULL);
        signal(SIGCHLD, SIG_DFL);
        tune(client);
        door->answer(client);
    }
    if (child > 0) door->children[door->count++] = child;
    close(client);
}

static void forget(struct door *door, pid_t child) {
    for (size_t k = 0; k < door->count; k++)
        if (door->children[k] == child) door->children[k] = door->children[--door->count];
}

static void on_child(int signal) { (void)signal; }

static _Noreturn void serve_doors(struct door doors[2]) {
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, &before);
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child}, NULL);
    for (;;) {
        struct pollfd polls[2];
        for (int k = 0; k < 2; k++) {
            bool open = doors[k].count < MAX_CONNECTIONS;
            polls[k] = (struct pollfd){open ? doors[k].listener : -1, POLLIN, 0};
        }
        int ready = ppoll(polls, 2, NULL, &before);
        for (pid_t child; (child = waitpid(-1, NULL, WNOHANG)) > 0;) {
            forget(&doors[0], child);
            forget(&doors[1], child);
        }
        for (int k = 0; ready > 0 && k < 2; k++)
            if (polls[k].revents & POLLIN) take(&doors[k], &before);
    }
}

static void inherit(int fd) {
    if (fd >= 0) must(fcntl(fd, F_SETFD, 0), "doors");
}

static _Noreturn void become_server(struct doors doors, int started) {
    char grader[12], learner[12];
    char *arguments[] = {TOOLS "/machine", "serve", grader, learner, NULL}, *environment[] = {NULL};
    setsid();
    inherit(doors.grader);
    inherit(doors.learner);
    snprintf(grader, sizeof grader, "%d", doors.grader);
    snprintf(learner, sizeof learner, "%d", doors.learner);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) discard_output(fd);
    execve(arguments[0], arguments, environment);
    write_all(started, &errno, sizeof errno);
    _exit(1);
}

/* A process of its own, with nothing of PID 1's environment: that holds the grader's keys. It is waited for until
 * it runs: systemd's first act is to let go of the terminal, and the hang-up ends whoever has no session yet. */
void start_server(struct doors doors) {
    int ends[2], error = 0;
    must(pipe2(ends, O_CLOEXEC), "pipe");
    pid_t child = fork();
    must(child, "server");
    if (child == 0) become_server(doors, ends[1]);
    close(ends[1]);
    ssize_t n = read(ends[0], &error, sizeof error); /* its end is the exec */
    close(ends[0]);
    if (n) {
        errno = error;
        die(TOOLS "/machine serve");
    }
}

/* machine serve GRADER LEARNER: numbers of open listening sockets, -1 for a closed door. */
int serve(int argc, char **argv) {
    errno = 0;
    if (argc != 4) die("serve needs two sockets");
    struct door doors[2] = {
        {.listener = atoi(argv[2]), .answer = answer_grader},
        {.listener = atoi(argv[3]), .answer = relay},
    };
    for (int k = 0; k < 2; k++)
        if (doors[k].listener >= 0) must(fcntl(doors[k].listener, F_SETFD, FD_CLOEXEC), "socket %s", argv[2 + k]);
    serve_doors(doors);
}
