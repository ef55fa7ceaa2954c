/* The measured boot: what changed in the places a machine's programs, libraries and init come from. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

#define MAX_DEPTH 64                     /* deeper folders are listed, not entered */
#define MAX_HASHED ((off_t)256 << 20)    /* a larger file has - for its digest, as an unreadable one has */

static const char *const PLACES[] = {
    "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec",
    "/usr/local", "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
};

/* Any installed package renews it, so it counts only when it sends programs for the system's libraries elsewhere. */
#define LOADER_CACHE "/etc/ld.so.cache"

struct walk {
    FILE *out;
    const struct timespec *later_than; /* NULL: all of it */
    char *path;
    size_t size;
    bool failed;
};

static void put_escaped(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\\') fputs("\\\\", out);
        else if (*text == '\n') fputs("\\n", out);
        else if (*text == '\t') fputs("\\t", out);
        else fputc(*text, out);
    }
}

static char type_of(mode_t mode) {
    return S_ISREG(mode) ? 'f' : S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : 'o';
}

static void put_digest(struct walk *w, int folder, const char *name) {
    char hex[SHA256_HEX];
    struct stat s;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool known = fd >= 0 && !fstat(fd, &s) && S_ISREG(s.st_mode) && s.st_size <= MAX_HASHED &&
                 sha256_of(fd, MAX_HASHED, hex);
    fputs(known ? hex : "-", w->out);
    if (fd >= 0) close(fd);
}

static void put_target(struct walk *w, int folder, const char *name) {
    char target[4096];
    ssize_t n = readlinkat(folder, name, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    put_escaped(w->out, n > 0 ? target : "-");
}

/* ctime, type, mode, owner, size, digest or target, path. A folder's size says nothing and is 0. Without its content,
 * a line says only that there is such a thing: that costs next to nothing. */
static void put_line(struct walk *w, int folder, const char *name, const struct stat *s, bool content) {
    char type = type_of(s->st_mode);
    fprintf(w->out, "%lld.%09ld\t%c\t%o\t%u:%u\t%lld\t", (long long)s->st_ctim.tv_sec, s->st_ctim.tv_nsec, type,
            (unsigned)s->st_mode & 07777, (unsigned)s->st_uid, (unsigned)s->st_gid,
            type == 'f' || type == 'l' ? (long long)s->st_size : 0);
    if (type == 'f' && content) put_digest(w, folder, name);
    else if (type == 'l' && content) put_target(w, folder, name);
    else fputc('-', w->out);
    fputc('\t', w->out);
    put_escaped(w->out, w->path);
    fputc('\n', w->out);
}

static bool is_later(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Appends a name to the walk's path and says where the path ended before; 0 when memory is out. */
static size_t enter(struct walk *w, const char *name) {
    size_t length = strlen(w->path), need = length + strlen(name) + 2;
    if (need > w->size) {
        char *larger = realloc(w->path, need * 2);
        if (!larger) return 0;
        w->path = larger;
        w->size = need * 2;
    }
    sprintf(w->path + length, "/%s", name);
    return length;
}

static void visit(struct walk *w, int folder, const char *name, int depth, bool anyway);

static void visit_folder(struct walk *w, int folder, const char *name, int depth, bool later) {
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        if (fd >= 0) close(fd);
        w->failed |= errno != ENOENT;
        return;
    }
    for (struct dirent *e; errno = 0, (e = readdir(entries));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        size_t before = enter(w, e->d_name);
        if (!before) {
            w->failed = true;
            break;
        }
        visit(w, dirfd(entries), e->d_name, depth + 1, later);
        w->path[before] = 0;
    }
    w->failed |= errno != 0;
    closedir(entries);
}

/* In a folder that has changed all is listed `anyway`: what is not was deleted. */
static void visit(struct walk *w, int folder, const char *name, int depth, bool anyway) {
    struct stat s;
    if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW)) {
        w->failed |= errno != ENOENT && errno != ENOTDIR;
        return;
    }
    bool later = !w->later_than || is_later(&s.st_ctim, w->later_than);
    if (later || anyway) put_line(w, folder, name, &s, later);
    if (S_ISDIR(s.st_mode) && depth < MAX_DEPTH) visit_folder(w, folder, name, depth, later);
}

static void visit_place(struct walk *w, const char *place, bool anyway) {
    free(w->path);
    w->path = strdup(place);
    w->size = strlen(place) + 1;
    if (w->path) visit(w, AT_FDCWD, place, 0, anyway);
    else w->failed = true;
}

bool measure(FILE *out, const struct timespec *later_than) {
    struct walk w = {.out = out, .later_than = later_than};
    for (size_t k = 0; k < sizeof PLACES / sizeof *PLACES; k++) visit_place(&w, PLACES[k], true);
    if (loader_cache_misleads(LOADER_CACHE)) visit_place(&w, LOADER_CACHE, false);
    free(w.path);
    return !fflush(out) && !ferror(out) && !w.failed;
}
