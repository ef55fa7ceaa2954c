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

static bool parse_address(char *text, struct wire *w) {
    char *address = strsep(&text, "/");
    unsigned long prefix;
    if (!*address) return !text;
    if (!text || !parse_number(text, 32, &prefix)) return false;
    w->prefix = (unsigned)prefix;
    return inet_aton(address, &w->address);
}

static bool parse_link(const char *text, char name[NIC_SIZE]) {
    size_t length = strlen(text);
    if (!length || length >= NIC_SIZE || strpbrk(text, "/%")) return false;
    strcpy(name, text);
    return true;
}

/* nic,bridge,mac,address/prefix,gateway */
static bool parse_wire(char *text, struct wire *w) {
    char *field[5];
    for (int k = 0; k < 5; k++)
        if (!(field[k] = strsep(&text, ","))) return false;
    return !text && parse_link(field[0], w->nic) && parse_link(field[1], w->bridge) && parse_mac(field[2], w->mac) &&
           parse_address(field[3], w) && (!*field[4] || inet_aton(field[4], &w->gateway));
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
            die("INTERNBOX_WIRES: %s is not nic,bridge,mac,address,gateway", shown ? shown : "");
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

/* grader,learner */
static bool parse_doors(const char *text, struct settings *s) {
    char *copy = strdup(text), *rest = copy, *grader = strsep(&rest, ",");
    unsigned long of_grader = 0, of_learner = 0;
    bool well = copy && rest && parse_number(grader, UINT16_MAX, &of_grader) && of_grader &&
                parse_number(rest, UINT16_MAX, &of_learner);
    s->grader_port = (uint16_t)of_grader;
    s->learner_port = (uint16_t)of_learner;
    free(copy);
    return well;
}

void read_settings(struct settings *s) {
    memset(s, 0, sizeof *s);
    const char *init = required("INTERNBOX_INIT"), *wires = getenv("INTERNBOX_WIRES");
    s->systemd = !strcmp(init, "systemd");
    if (!s->systemd && strcmp(init, "none")) die("INTERNBOX_INIT: %s is neither systemd nor none", init);
    s->hostname = required("INTERNBOX_HOSTNAME");
    const char *doors = required("INTERNBOX_DOORS");
    if (!parse_doors(doors, s)) die("INTERNBOX_DOORS: %s is not two ports", doors);
    s->key = required("INTERNBOX_KEY");
    s->seal = required("INTERNBOX_SEAL");
    if (strlen(s->seal) != SEAL_SIZE) die("INTERNBOX_SEAL is not of %d characters", SEAL_SIZE);
    parse_hostkey(required("INTERNBOX_HOSTKEY"), s);
    if (!parse_time(required("INTERNBOX_CREATED"), &s->created)) die("INTERNBOX_CREATED is not a time in seconds");
    parse_wires(wires ? wires : "", s);
}
