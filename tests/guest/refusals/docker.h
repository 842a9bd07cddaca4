// What Docker's default seccomp profile does to a process without added capabilities, installed where the program runs
// natively; a machine of this project refuses the same calls by itself and has no filters.
#include "check.h"
#include <stddef.h>
#include <sys/prctl.h>
struct filter_line { uint16_t code; uint8_t jt, jf; uint32_t k; };
struct filter { unsigned short count; struct filter_line *lines; };
static const int refused_calls[] = {
    153, 155, 159 + 10000, 161 + 10000, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 134, 136, 139, 156, 212, 101 + 10000, 103, 227, 237, 238, 239,
    246, 248, 249, 250, 256, 272, 279, 298, 300, 304, 305 + 10000, 308, 310 + 10000, 311 + 10000, 312 + 10000, 313, 320, 321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438 + 10000, 440 + 10000, 442, 443};
static inline void as_in_a_container(void) {
    static struct filter_line lines[256];
    int n = 0;
    lines[n++] = (struct filter_line){0x20, 0, 0, 0};
    for (unsigned i = 0; i < sizeof refused_calls / sizeof *refused_calls; i++) {
        if (refused_calls[i] >= 10000) continue;
        lines[n++] = (struct filter_line){0x15, 0, 1, refused_calls[i]};
        lines[n++] = (struct filter_line){0x06, 0, 0, 0x00050000 | EPERM};
    }
    lines[n++] = (struct filter_line){0x06, 0, 0, 0x7fff0000};
    struct filter f = {n, lines};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), prctl(22, 2, &f);
    errno = 0;
}
