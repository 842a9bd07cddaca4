// timerfd: absolute, periodic, changed, cancelled, read sizes, clocks, errors.
// libc: musl
#include "check.h"
#include <poll.h>
#include <sys/timerfd.h>
int main(void) {
    int fd = NEED(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)), real = NEED(timerfd_create(CLOCK_REALTIME, 0));
    uint64_t n = 0;
    struct itimerspec t = {{0, 0}, {0, 5000000}}, old, every = {{0, 3000000}, {0, 3000000}}, off = {0}, bad = {{0, 0}, {0, 1000000000}}, past = {{0, 0}, {0, 1}}, far = {{0, 0}, {500, 0}};
    SHOW(read(fd, &n, 8)), SHOW(timerfd_settime(fd, 0, &far, NULL)), SHOW(timerfd_gettime(fd, &old)), CHECK(old.it_value.tv_sec > 400 && old.it_value.tv_sec < 500), SHOW(timerfd_settime(fd, 0, &t, NULL));
    struct pollfd p = {fd, POLLIN, 0};
    SHOW(poll(&p, 1, 60000)), SHOW(read(fd, &n, 4)), SHOW(read(fd, &n, 8)), SHOW(n), SHOW(read(fd, &n, 8)), SHOW(timerfd_settime(fd, 0, &every, NULL)), sleep_ms(20), SHOW(read(fd, &n, 100)), CHECK(n >= 5), SHOW(timerfd_settime(fd, 0, &off, &old)), SHOW(old.it_interval.tv_nsec), sleep_ms(10), SHOW(read(fd, &n, 8)), SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL)), SHOW(read(fd, &n, 8)), SHOW(n), SHOW(timerfd_settime(real, TFD_TIMER_ABSTIME, &past, NULL)), SHOW(read(real, &n, 8)), SHOW(n);
    SHOW(timerfd_settime(fd, 0, &bad, NULL)), SHOW(timerfd_settime(fd, 8, &t, NULL)), SHOW(timerfd_settime(0, 0, &t, NULL)), SHOW(timerfd_gettime(99, &old)), SHOW(timerfd_create(77, 0)), SHOW(timerfd_create(CLOCK_MONOTONIC, 5)), SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0)), SHOW(timerfd_settime(fd, 0, NULL, NULL)), SHOW(write(fd, &n, 8)), SHOW(timerfd_settime(fd, 0, &t, (void *)8)), SHOW(timerfd_create(CLOCK_BOOTTIME, 0) > 0);
    timerfd_settime(fd, 0, &t, NULL), sleep_ms(10), timerfd_settime(fd, 0, &far, NULL), SHOW(poll(&p, 1, 0)), timerfd_settime(fd, 0, &t, NULL), SHOW(poll(&p, 1, 60000));
    return 0;
}
