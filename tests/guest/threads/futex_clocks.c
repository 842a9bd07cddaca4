// Absolute and relative time-outs on both clocks do not end too early.
#include "check.h"
#include "futexes.h"
#include <limits.h>
static uint32_t word;
static void timed(int op, clockid_t clock, int absolute, long ms) {
    struct timespec until = {0};
    int64_t before = now_ms();
    if (absolute) clock_gettime(clock, &until);
    until.tv_nsec += ms * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    SHOW(syscall(SYS_futex, &word, op, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY));
    int64_t took = now_ms() - before;
    printf("%s\n", took >= ms - 1 ? "not too early" : "TOO EARLY");
}
int main(void) {
    timed(FUTEX_WAIT, CLOCK_MONOTONIC, 0, 20);
    timed(FUTEX_WAIT_BITSET, CLOCK_MONOTONIC, 1, 20);
    timed(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME, 1, 20);
    timed(FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, CLOCK_MONOTONIC, 1, 15);
    struct timespec past = {1, 0};
    SHOW(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &past, NULL, FUTEX_BITSET_MATCH_ANY));
    return 0;
}
