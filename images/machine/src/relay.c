/* Carries one learner's connection to the machine's own sshd. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "machine.h"

#define SSH_PORT 22

/* One direction: what was read from `from` and not yet written to `to`. */
struct flow {
    int from, to;
    char data[65536];
    size_t start, end;
    bool finished; /* `from` has ended, and `to` was told */
};

static int connect_to_sshd(void) {
    struct sockaddr_in sshd = {
        .sin_family = AF_INET, .sin_port = htons(SSH_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!connect(fd, (void *)&sshd, sizeof sshd)) return fd;
    close(fd);
    return -1;
}

static bool again(void) { return errno == EAGAIN || errno == EINTR; }

/* Reads when empty, writes when not; false when a connection broke. */
static bool move(struct flow *f) {
    if (f->start == f->end) {
        ssize_t n = read(f->from, f->data, sizeof f->data);
        if (n < 0) return again();
        if (n == 0) {
            f->finished = true;
            return !shutdown(f->to, SHUT_WR);
        }
        f->start = 0;
        f->end = (size_t)n;
    }
    ssize_t n = write(f->to, f->data + f->start, f->end - f->start);
    if (n < 0) return again();
    f->start += (size_t)n;
    return true;
}

static bool is_empty(const struct flow *f) { return f->start == f->end; }

static short events(const struct flow *in, const struct flow *out) {
    return (short)((!in->finished && is_empty(in) ? POLLIN : 0) | (is_empty(out) ? 0 : POLLOUT));
}

static void carry(int client, int sshd) {
    static struct flow up, down;
    up.from = down.to = client;
    up.to = down.from = sshd;
    while (!up.finished || !down.finished) {
        struct pollfd polls[2] = {{client, events(&up, &down), 0}, {sshd, events(&down, &up), 0}};
        for (int k = 0; k < 2; k++)
            if (!polls[k].events) polls[k].fd = -1; /* or a hang-up would wake us for nothing */
        if (poll(polls, 2, -1) < 0 && errno != EINTR) return;
        if (polls[0].revents & POLLERR || polls[1].revents & POLLERR) return;
        if (!up.finished && polls[is_empty(&up) ? 0 : 1].revents && !move(&up)) return;
        if (!down.finished && polls[is_empty(&down) ? 1 : 0].revents && !move(&down)) return;
    }
}

/* Where no sshd answers, the learner's client is told at once: the connection is reset. */
_Noreturn void relay(int client) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int sshd = connect_to_sshd();
    if (sshd < 0) {
        setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(client);
        _exit(1);
    }
    if (!fcntl(client, F_SETFL, O_NONBLOCK) && !fcntl(sshd, F_SETFL, O_NONBLOCK)) carry(client, sshd);
    _exit(0);
}
