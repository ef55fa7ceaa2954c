/* SHA-256 as FIPS 180-4 defines it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t START[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void schedule(uint32_t w[64], const unsigned char *p) {
    for (int t = 0; t < 16; t++, p += 4)
        w[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int t = 16; t < 64; t++) {
        uint32_t a = w[t - 15], b = w[t - 2];
        w[t] = w[t - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[t - 7] + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
}

static void add_block(uint32_t state[8], const unsigned char *p) {
    uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6],
                    h = state[7];
    schedule(w, p);
    for (int t = 0; t < 64; t++) {
        uint32_t one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[t] + w[t];
        uint32_t two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + one;
        d = c, c = b, b = a, a = one + two;
    }
    const uint32_t added[8] = {a, b, c, d, e, f, g, h};
    for (int k = 0; k < 8; k++) state[k] += added[k];
}

void sha256_start(struct sha256 *h) {
    memcpy(h->state, START, sizeof h->state);
    h->total = 0;
}

void sha256_add(struct sha256 *h, const void *data, size_t size) {
    const unsigned char *p = data;
    size_t held = h->total % sizeof h->rest;
    h->total += size;
    if (held) {
        size_t n = sizeof h->rest - held < size ? sizeof h->rest - held : size;
        memcpy(h->rest + held, p, n);
        if (held + n < sizeof h->rest) return;
        add_block(h->state, h->rest);
        p += n, size -= n;
    }
    for (; size >= sizeof h->rest; p += sizeof h->rest, size -= sizeof h->rest) add_block(h->state, p);
    memcpy(h->rest, p, size);
}

bool sha256_add_file(struct sha256 *h, int fd, off_t limit) {
    static unsigned char buffer[65536];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) != 0;) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 || n > limit) return false;
        limit -= n;
        sha256_add(h, buffer, (size_t)n);
    }
    return true;
}

void sha256_end(struct sha256 *h, unsigned char digest[SHA256_SIZE]) {
    unsigned char last[128] = {0};
    size_t left = h->total % sizeof h->rest, size = left < 56 ? 64 : 128;
    memcpy(last, h->rest, left);
    last[left] = 0x80;
    for (int k = 0; k < 8; k++) last[size - 1 - (size_t)k] = (unsigned char)(h->total * 8 >> 8 * k);
    for (size_t at = 0; at < size; at += 64) add_block(h->state, last + at);
    for (int k = 0; k < SHA256_SIZE; k++) digest[k] = (unsigned char)(h->state[k / 4] >> (24 - k % 4 * 8));
}

void sha256_hex(struct sha256 *h, char hex[SHA256_HEX]) {
    unsigned char digest[SHA256_SIZE];
    sha256_end(h, digest);
    for (int k = 0; k < SHA256_SIZE; k++) sprintf(hex + 2 * k, "%02x", digest[k]);
}

bool sha256_of(int fd, off_t limit, char hex[SHA256_HEX]) {
    struct sha256 h;
    sha256_start(&h);
    if (!sha256_add_file(&h, fd, limit)) return false;
    sha256_hex(&h, hex);
    return true;
}
