// Clocks agree: none goes back, each pair keeps its distance, the vDSO and the calls tell the same.
// libc: glibc
#include "check.h"
#include <sys/time.h>
static int64_t ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }
int main(void) {
    int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW};
    for (int c = 0; c < 4; c++) {
        struct timespec before, now, raw;
        long back = 0, apart = 0;
        clock_gettime(clocks[c], &before);
        for (int i = 0; i < 20000; i++) clock_gettime(clocks[c], &now), back += ns(now) < ns(before), before = now;
        for (int i = 0; i < 500; i++) clock_gettime(clocks[c], &now), syscall(SYS_clock_gettime, clocks[c], &raw), apart += ns(raw) < ns(now), clock_gettime(clocks[c], &now), apart += ns(now) < ns(raw);
        SHOW(back), SHOW(apart);
    }
    struct timeval tv;
    gettimeofday(&tv, NULL), CHECK(labs(tv.tv_sec - time(NULL)) <= 20);
    return 0;
}
