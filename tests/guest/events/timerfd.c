// timerfd fires once and again, counts what was missed, and tells the time that is left.
#include "check.h"
#include <poll.h>
#include <sys/timerfd.h>
int main(void) {
    uint64_t count = 0;
    int fd = NEED(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    SHOW(read(fd, &count, 8));
    struct itimerspec once = {.it_value = {0, 10000000}}, now;
    SHOW(timerfd_settime(fd, 0, &once, NULL));
    struct pollfd poll_ = {fd, POLLIN};
    SHOW(poll(&poll_, 1, 60000));
    SHOW(read(fd, &count, 8));
    printf("%lu\n", (unsigned long)count);
    SHOW(read(fd, &count, 8));
    struct itimerspec every = {{0, 5000000}, {0, 5000000}};
    SHOW(timerfd_settime(fd, 0, &every, NULL));
    sleep_ms(52);
    SHOW(read(fd, &count, 8));
    CHECK(count >= 9);
    SHOW(timerfd_gettime(fd, &now));
    printf("%ld\n", (long)now.it_interval.tv_nsec);
    struct itimerspec off = {0};
    SHOW(timerfd_settime(fd, 0, &off, NULL));
    SHOW(poll(&poll_, 1, 20));
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    struct itimerspec past = {.it_value = start};
    SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL));
    SHOW(poll(&poll_, 1, 60000));
    SHOW(read(fd, &count, 4));
    SHOW(timerfd_create(77, 0));
    SHOW(timerfd_create(CLOCK_MONOTONIC, 0x40000000));
    SHOW(timerfd_settime(0x7777, 0, &once, NULL));
    SHOW(timerfd_settime(1, 0, &once, NULL));
    return 0;
}
