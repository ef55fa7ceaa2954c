/* Where the dynamic loader's cache sends programs for their libraries. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

#define MAX_CACHE ((off_t)4 << 20)
#define MAGIC "glibc-ld.so.cache1.1" /* the one format that today's ldconfig writes; sysdeps/generic/dl-cache.h */
#define ALL_LIBRARIES "/usr/lib"

static const char *const MEASURED[] = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib/"};

struct header {
    char magic[sizeof MAGIC - 1];
    uint32_t entries, strings;
    uint8_t flags, padding[3];
    uint32_t extension, unused[3];
};

/* A library's name and where it is, as places in the file. */
struct entry {
    int32_t flags;
    uint32_t name, path, osversion;
    uint64_t hwcap;
};

static bool is_measured(const char *path) {
    if (strstr(path, "/../")) return false;
    for (size_t k = 0; k < sizeof MEASURED / sizeof *MEASURED; k++)
        if (!strncmp(path, MEASURED[k], strlen(MEASURED[k]))) return true;
    return false;
}

static bool is_in(int folder, const char *below, const char *name) {
    struct stat s;
    int fd = openat(folder, below, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool found = fd >= 0 && !fstatat(fd, name, &s, AT_SYMLINK_NOFOLLOW);
    if (fd >= 0) close(fd);
    return found;
}

/* In /usr/lib, or in the folder below it for this processor. */
static bool is_of_the_system(const char *name) {
    DIR *libraries = opendir(ALL_LIBRARIES);
    bool found = !libraries || is_in(dirfd(libraries), ".", name) || is_in(AT_FDCWD, "/usr/lib64", name);
    for (struct dirent *e; !found && (e = readdir(libraries));)
        found = strstr(e->d_name, "-linux-") && is_in(dirfd(libraries), e->d_name, name);
    if (libraries) closedir(libraries);
    return found;
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

static bool misleads(const char *data, size_t size) {
    const struct header *header = (const void *)data;
    const struct entry *entries = (const void *)(header + 1);
    if (size < sizeof *header || memcmp(header->magic, MAGIC, sizeof header->magic)) return true;
    if (header->entries > (size - sizeof *header) / sizeof *entries) return true;
    for (uint32_t k = 0; k < header->entries; k++) {
        if (entries[k].name >= size || entries[k].path >= size) return true;
        const char *name = data + entries[k].name;
        if (!is_measured(data + entries[k].path) && (strchr(name, '/') || is_of_the_system(name))) return true;
    }
    return false;
}

bool loader_cache_misleads(const char *path) {
    size_t size;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *data = fd < 0 ? NULL : read_cache(fd, &size);
    bool bad = !data || misleads(data, size);
    if (fd >= 0) close(fd);
    free(data);
    return bad;
}
