// A profiler: SIGPROF by CPU time finds the program where it works, and never in its sleep.
#include "check.h"
#include <sys/time.h>
static volatile int samples, where, in[3];
static void note(int number) { samples++, in[where]++; }
static void burn(long ms) {
    clock_t end = clock() + ms * (CLOCKS_PER_SEC / 1000);
    while (clock() < end) {
    }
}
int main(void) {
    struct sigaction a = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &a, NULL);
    struct itimerval every = {{0, 10000}, {0, 10000}}, old;
    SHOW(setitimer(ITIMER_PROF, &every, NULL)), where = 1, burn(300), where = 2, sleep_ms(200), where = 0;
    SHOW(getitimer(ITIMER_PROF, &old)), SHOW(old.it_interval.tv_usec), setitimer(ITIMER_PROF, &(struct itimerval){0}, &old);
    CHECK(in[1] >= 10 && in[1] <= 40), CHECK(in[2] <= 5);
    return 0;
}
