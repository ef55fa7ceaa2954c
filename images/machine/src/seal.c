/* The seal of a report: HMAC-SHA256 as RFC 2104 defines it, by a key that is gone before init runs. */
#include <string.h>
#include <unistd.h>

#include "machine.h"

#define MAX_REPORT ((off_t)64 << 20) /* more than BOOT holds */

static void add_key(struct sha256 *h, const char key[SEAL_SIZE], unsigned char pad) {
    unsigned char block[SEAL_SIZE]; /* a block of SHA-256: the key needs no padding */
    for (int k = 0; k < SEAL_SIZE; k++) block[k] = (unsigned char)key[k] ^ pad;
    sha256_start(h);
    sha256_add(h, block, sizeof block);
    explicit_bzero(block, sizeof block);
}

/* The states that the key leaves behind are as good as the key. */
static bool hmac_of(int fd, const char key[SEAL_SIZE], char hex[SHA256_HEX]) {
    unsigned char inner[SHA256_SIZE];
    struct sha256 h;
    add_key(&h, key, 0x36);
    bool whole = sha256_add_file(&h, fd, MAX_REPORT);
    sha256_end(&h, inner);
    add_key(&h, key, 0x5c);
    sha256_add(&h, inner, sizeof inner);
    sha256_hex(&h, hex);
    explicit_bzero(&h, sizeof h);
    return whole;
}

bool seal_report(FILE *report, const char key[SEAL_SIZE]) {
    char hex[SHA256_HEX];
    if (fflush(report) || lseek(fileno(report), 0, SEEK_SET) < 0) return false;
    if (!hmac_of(fileno(report), key, hex) || fseek(report, 0, SEEK_END)) return false;
    return fprintf(report, "seal\t%s\n", hex) > 0;
}
