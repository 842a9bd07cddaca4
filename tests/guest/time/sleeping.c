// nanosleep and clock_nanosleep sleep at least as long as asked, relative and absolute.
#include "check.h"
int main(void) {
    struct timespec t = {0, 20000000}, zero = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};
    int64_t start = now_ms();
    SHOW(nanosleep(&t, NULL));
    CHECK(now_ms() - start >= 20 - 1);
    SHOW(nanosleep(&zero, NULL));
    SHOW(nanosleep(&bad, NULL));
    SHOW(nanosleep(&negative, NULL));
    struct timespec until;
    start = now_ms();
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
    CHECK(now_ms() - start >= 19);
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
    SHOW(clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL));
    CHECK(clock_nanosleep(77, 0, &t, NULL) == EINVAL);
    SHOW(usleep(1000));
    SHOW(sleep(0));
    return 0;
}
