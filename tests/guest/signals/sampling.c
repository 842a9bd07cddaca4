// A profiler: SIGPROF by CPU time finds the program where it works, and never in its sleep.
#include "check.h"
#include <sys/time.h>
static volatile int samples, where, in[3];
static void note(int number) { samples++, in[where]++; }
static void burn(void) {
    while (in[1] < 20) {}
}
int main(void) {
    struct sigaction a = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &a, NULL);
    clock_t used;
    struct itimerval every = {{0, 10000}, {0, 10000}}, old;
    SHOW(setitimer(ITIMER_PROF, &every, NULL)), where = 1, used = clock(), burn(), used = clock() - used, where = 2, sleep_ms(200), where = 0;
    SHOW(getitimer(ITIMER_PROF, &old)), SHOW(old.it_interval.tv_usec), setitimer(ITIMER_PROF, &(struct itimerval){0}, &old);
    CHECK(used >= CLOCKS_PER_SEC / 20), CHECK(in[2] <= 5);
    return 0;
}
