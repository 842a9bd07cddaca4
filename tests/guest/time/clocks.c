// The clocks go forward, agree with one another, and refuse unknown numbers.
#include "check.h"
#include <sys/time.h>
static int64_t ns(int clock) {
    struct timespec t;
    return clock_gettime(clock, &t) ? -1 : t.tv_sec * 1000000000LL + t.tv_nsec;
}
int main(void) {
    int back = 0;
    for (int64_t i = 0, last = 0; i < 100000; i++) {
        int64_t now = ns(CLOCK_MONOTONIC);
        back |= now < last;
        last = now;
    }
    CHECK(!back);
    CHECK(ns(CLOCK_REALTIME) > 1700000000LL * 1000000000);
    CHECK(llabs(ns(CLOCK_REALTIME) / 1000000000 - time(NULL)) <= 20);
    struct timeval tv;
    SHOW(gettimeofday(&tv, NULL));
    CHECK(labs((long)(tv.tv_sec - time(NULL))) <= 20);
    CHECK(ns(CLOCK_MONOTONIC_RAW) > 0 && ns(CLOCK_BOOTTIME) > 0 && ns(CLOCK_MONOTONIC_COARSE) > 0 && ns(CLOCK_REALTIME_COARSE) > 0);
    CHECK(ns(CLOCK_PROCESS_CPUTIME_ID) > 0 && ns(CLOCK_THREAD_CPUTIME_ID) > 0);
    struct timespec t;
    SHOW(clock_gettime(77, &t));
    SHOW(clock_getres(CLOCK_MONOTONIC, &t));
    printf("%ld %ld\n", (long)t.tv_sec, t.tv_nsec);
    SHOW(clock_getres(77, &t));
    // Each reading of the one clock lies between two of the other.
    int64_t before = ns(CLOCK_MONOTONIC), start = ns(CLOCK_REALTIME), after = ns(CLOCK_MONOTONIC);
    sleep_ms(50);
    int64_t least = ns(CLOCK_MONOTONIC) - after, took = ns(CLOCK_REALTIME) - start, most = ns(CLOCK_MONOTONIC) - before;
    CHECK(took > least - 5000000 && took < most + 5000000);
    return 0;
}
