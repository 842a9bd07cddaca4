// Interval timers and POSIX timers are not inherited; timerfd descriptors are.
// libc: musl
#include "children.h"
#include <sys/time.h>
#include <sys/timerfd.h>
int main(void) {
    struct itimerval soon = {{0, 0}, {500, 0}}, now;
    setitimer(ITIMER_REAL, &soon, NULL);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    int fd = NEED(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec later = {{0, 0}, {0, 1000000}}, left;
    timerfd_settime(fd, 0, &later, NULL);
    IN_CHILD("child", getitimer(ITIMER_REAL, &now); printf("%ld\n", (long)now.it_value.tv_sec); SHOW(timer_gettime(timer, &left));
             uint64_t count; SHOW(read(fd, &count, 8)); SHOW(count));
    getitimer(ITIMER_REAL, &now);
    CHECK(now.it_value.tv_sec > 400);
    SHOW(timer_gettime(timer, &left));
    SHOW(timer_delete(timer));
    return 0;
}
