// CPU time grows by work and not by sleep.
#include "check.h"
static int64_t cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}
int main(void) {
    int64_t start = cpu_ms();
    sleep_ms(1000);
    int64_t asleep = cpu_ms() - start;
    CHECK(asleep < 800);
    start = cpu_ms();
    volatile unsigned long spin = 0;
    for (int64_t until = cpu_ms() + 40; cpu_ms() < until;) spin++;
    CHECK(cpu_ms() - start >= 40);
    CHECK(clock() != (clock_t)-1);
    return 0;
}
