/* Words for what went wrong, on standard error: Docker's log of the machine. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

static void say(const char *format, va_list arguments) {
    int error = errno;
    fputs("internbox: ", stderr);
    vfprintf(stderr, format, arguments);
    if (error) fprintf(stderr, ": %s", strerror(error));
    if (error == EPERM || error == EACCES)
        fputs(" (hint: does the engine's AppArmor or SELinux forbid it? see `internbox doctor`)", stderr);
    fputc('\n', stderr);
}

void warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    exit(1);
}
