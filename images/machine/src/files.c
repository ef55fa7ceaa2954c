/* Writing whole files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

bool write_all(int fd, const void *data, size_t size) {
    const char *next = data;
    while (size > 0) {
        ssize_t n = write(fd, next, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        next += n;
        size -= (size_t)n;
    }
    return true;
}

void write_file(const char *path, mode_t mode, const void *data, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    must(fd, "%s", path);
    if (!write_all(fd, data, size)) die("%s", path);
    must(fchmod(fd, mode), "%s", path);
    must(close(fd), "%s", path);
}

/* A setting of the kernel: one that this kernel does not have is left out. */
void write_existing(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return;
    must(fd, "%s", path);
    if (!write_all(fd, text, strlen(text))) die("%s", path);
    close(fd);
}
