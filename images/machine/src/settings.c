/* The environment contract: read, checked, and removed from what init will see. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

static char *required(const char *name) {
    char *value = getenv(name);
    errno = 0;
    if (!value || !*value) die("%s is not set; machines are started by the internbox engine", name);
    return value;
}

static bool parse_number(const char *text, unsigned long max, unsigned long *value) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    *value = strtoul(text, &end, 10);
    return !errno && !*end && *value <= max;
}

bool parse_time(const char *text, struct timespec *t) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    t->tv_sec = (time_t)strtoll(text, &end, 10);
    t->tv_nsec = 0;
    if (*end == '.')
        for (long unit = 100000000; *++end >= '0' && *end <= '9'; unit /= 10)
            t->tv_nsec += (*end - '0') * unit;
    return *end == 0;
}

static bool parse_mac(const char *text, unsigned char mac[6]) {
    for (int k = 0; k < 6; k++) {
        char *end;
        unsigned long byte = strtoul(text, &end, 16);
        if (end != text + 2 || byte > 255 || *end != (k < 5 ? ':' : 0)) return false;
        mac[k] = (unsigned char)byte;
        text = end + 1;
    }
    return true;
}

static bool parse_peers(char *text, struct wire *w) {
    for (char *peer; (peer = strsep(&text, "+"));) {
        if (!*peer) continue;
        if (w->peer_count == MAX_PEERS || !inet_aton(peer, &w->peers[w->peer_count++])) return false;
    }
    return true;
}

static bool parse_address(char *text, struct wire *w) {
    char *address = strsep(&text, "/");
    unsigned long prefix;
    if (!*address) return !text;
    if (!text || !parse_number(text, 32, &prefix)) return false;
    w->prefix = (unsigned)prefix;
    return inet_aton(address, &w->address);
}

/* nic,vni,mac,peer+peer,address/prefix,gateway */
static bool parse_wire(char *text, struct wire *w) {
    char *field[6];
    unsigned long vni;
    for (int k = 0; k < 6; k++)
        if (!(field[k] = strsep(&text, ","))) return false;
    size_t length = strlen(field[0]);
    if (text || !length || length >= NIC_SIZE || strchr(field[0], '/')) return false;
    strcpy(w->nic, field[0]);
    if (!parse_number(field[1], 0xffffff, &vni)) return false;
    w->vni = (uint32_t)vni;
    return parse_mac(field[2], w->mac) && parse_peers(field[3], w) && parse_address(field[4], w) &&
           (!*field[5] || inet_aton(field[5], &w->gateway));
}

static void parse_wires(const char *text, struct settings *s) {
    char *copy = strdup(text), *rest = copy;
    if (!copy) die("INTERNBOX_WIRES");
    for (char *word; (word = strsep(&rest, " "));) {
        if (!*word) continue;
        errno = 0;
        if (s->wire_count == MAX_WIRES) die("INTERNBOX_WIRES: more than %d wires", MAX_WIRES);
        char *shown = strdup(word);
        if (!parse_wire(word, &s->wires[s->wire_count++]))
            die("INTERNBOX_WIRES: %s is not nic,vni,mac,peer+peer,address,gateway", shown ? shown : "");
        free(shown);
    }
    free(copy);
}

static int base64_digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static void parse_hostkey(const char *text, struct settings *s) {
    unsigned bits = 0, held = 0;
    s->hostkey = malloc(strlen(text));
    if (!s->hostkey) die("INTERNBOX_HOSTKEY");
    for (; *text && *text != '='; text++) {
        int digit = base64_digit(*text);
        errno = 0;
        if (digit < 0) die("INTERNBOX_HOSTKEY is not base64");
        held = held << 6 | (unsigned)digit;
        bits += 6;
        if (bits >= 8) s->hostkey[s->hostkey_size++] = (unsigned char)(held >> (bits -= 8));
    }
}

void read_settings(struct settings *s) {
    memset(s, 0, sizeof *s);
    const char *init = required("INTERNBOX_INIT"), *wires = getenv("INTERNBOX_WIRES");
    const char *learner = getenv("INTERNBOX_LEARNER");
    s->systemd = !strcmp(init, "systemd");
    if (!s->systemd && strcmp(init, "none")) die("INTERNBOX_INIT: %s is neither systemd nor none", init);
    s->learner = learner && !strcmp(learner, "1");
    s->key = required("INTERNBOX_KEY");
    s->seal = required("INTERNBOX_SEAL");
    if (strlen(s->seal) != SEAL_SIZE) die("INTERNBOX_SEAL is not of %d characters", SEAL_SIZE);
    parse_hostkey(required("INTERNBOX_HOSTKEY"), s);
    if (!parse_time(required("INTERNBOX_CREATED"), &s->created)) die("INTERNBOX_CREATED is not a time in seconds");
    parse_wires(wires ? wires : "", s);
}
