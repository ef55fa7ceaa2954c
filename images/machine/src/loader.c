/* Where the dynamic loader's cache sends programs for their libraries. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

#define MAX_CACHE ((off_t)4 << 20)
#define SHORTEST 5 /* numbers between the strings can look like a shorter path */

static const char *const MEASURED[] = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib/"};

static bool is_measured(const char *path) {
    if (strstr(path, "/../")) return false;
    for (size_t k = 0; k < sizeof MEASURED / sizeof *MEASURED; k++)
        if (!strncmp(path, MEASURED[k], strlen(MEASURED[k]))) return true;
    return false;
}

/* The whole file with a NUL after it, or NULL. */
static char *read_cache(int fd, size_t *size) {
    struct stat s;
    if (fstat(fd, &s) || !S_ISREG(s.st_mode) || s.st_size > MAX_CACHE) return NULL;
    char *data = malloc((size_t)s.st_size + 1);
    ssize_t n = data ? read(fd, data, (size_t)s.st_size) : -1;
    if (n != s.st_size) {
        free(data);
        return NULL;
    }
    data[n] = 0;
    *size = (size_t)n;
    return data;
}

static bool all_measured(const char *data, size_t size) {
    for (const char *text = data; text < data + size; text += strlen(text) + 1) {
        /* the first string follows binary data without a NUL in between */
        const char *path = strchr(text, '/');
        if (path && strlen(path) >= SHORTEST && !is_measured(path)) return false;
    }
    return true;
}

bool loader_cache_strays(const char *path) {
    size_t size;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *data = fd < 0 ? NULL : read_cache(fd, &size);
    bool strays = !data || !all_measured(data, size);
    if (fd >= 0) close(fd);
    free(data);
    return strays;
}
