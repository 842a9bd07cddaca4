// timer_getoverrun(2) tells of the expirations that the last signal which arrived stands for, however it was taken.
#include "check.h"
#include <poll.h>
#include <sys/signalfd.h>
static timer_t timer;
static volatile int in_handler = -1;
// The first one: on a slow machine the next period ends before the count is printed.
static void handler(int signal) { if (in_handler < 0) in_handler = timer_getoverrun(timer); }
static const char *about(int count) { return count < 0 ? "error" : count == 0 ? "none" : count < 5 ? "few" : count < 200 ? "about twenty" : "many"; }
static void arm(long period_ms) {
    struct itimerspec spec = {{0, period_ms * 1000000}, {0, period_ms * 1000000}};
    NEED(timer_settime(timer, 0, &spec, NULL));
}
static void arm_once(void) {
    struct itimerspec spec = {{0, 0}, {0, 1000000}};
    NEED(timer_settime(timer, 0, &spec, NULL));
}
static void block(int how) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN), sigprocmask(how, &set, NULL);
}
int main(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN);
    signal(SIGRTMIN, handler);
    NEED(timer_create(CLOCK_MONOTONIC, &event, &timer));
    printf("new: %s\n", about(timer_getoverrun(timer)));
    block(SIG_BLOCK), arm(10), sleep_ms(205);
    printf("while it waits: %s\n", about(timer_getoverrun(timer)));
    block(SIG_UNBLOCK);
    printf("in the handler: %s\n", about(in_handler));
    block(SIG_BLOCK), arm(10), sleep_ms(205);
    sigwaitinfo(&set, &info);
    CHECK(info.si_overrun == timer_getoverrun(timer));
    printf("sigwaitinfo: %s\n", about(info.si_overrun));
    arm(10);
    printf("armed again: %s\n", about(timer_getoverrun(timer)));
    sleep_ms(205);
    int fd = NEED(signalfd(-1, &set, 0));
    struct signalfd_siginfo record;
    NEED(read(fd, &record, sizeof record));
    CHECK((int)record.ssi_overrun == timer_getoverrun(timer));
    printf("signalfd: %s\n", about(record.ssi_overrun));
    arm_once(), sleep_ms(20), sigwaitinfo(&set, &info);
    printf("one shot: %d %d\n", info.si_overrun, timer_getoverrun(timer));
    return 0;
}
