// What Docker's default seccomp profile does to a process without added capabilities, installed where the program runs
// natively; a machine of this project refuses the same calls by itself and has no filters.
#include "check.h"
#include <stddef.h>
#include <sys/prctl.h>
struct filter_line { uint16_t code; uint8_t jt, jf; uint32_t k; };
struct filter { unsigned short count; struct filter_line *lines; };
#define REFUSED(number, name) number,
#define ABSENT(number, name)
#define WORKS(number, name)
#define UNNEEDED(number, name)
static const int refused_calls[] = {
#include "profile.h"
    // Allowed by this profile, and refused by those of Docker 25 and later.
    425, 426, 427};
static inline void as_in_a_container(void) {
    static struct filter_line lines[256];
    int n = 0;
    lines[n++] = (struct filter_line){0x20, 0, 0, 0};
    for (unsigned i = 0; i < sizeof refused_calls / sizeof *refused_calls; i++) {
        lines[n++] = (struct filter_line){0x15, 0, 1, refused_calls[i]};
        lines[n++] = (struct filter_line){0x06, 0, 0, 0x00050000 | EPERM};
    }
    lines[n++] = (struct filter_line){0x06, 0, 0, 0x7fff0000};
    struct filter f = {n, lines};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), prctl(22, 2, &f);
    errno = 0;
}
