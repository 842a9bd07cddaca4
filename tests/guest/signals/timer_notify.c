// timer_create: SIGEV_SIGNAL with a value, SIGEV_THREAD_ID, SIGEV_NONE, overruns, errors.
#include "check.h"
static volatile int value, code, count;
static void handler(int number, siginfo_t *info, void *unused) {
    (void)number, (void)unused;
    value = info->si_value.sival_int, code = info->si_code, count++;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &action, NULL);
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 4242};
    struct itimerspec soon = {{0, 0}, {0, 5000000}}, every = {{0, 2000000}, {0, 2000000}}, off = {0}, now;
    SHOW(timer_create(CLOCK_MONOTONIC, &e, &t)), SHOW(timer_settime(t, 0, &soon, NULL));
    while (!count) sleep_ms(2);
    SHOW(value), SHOW(code == SI_TIMER);
    SHOW(timer_gettime(t, &now)), SHOW(now.it_value.tv_sec), SHOW(now.it_value.tv_nsec);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN), sigprocmask(SIG_BLOCK, &set, NULL);
    SHOW(timer_settime(t, 0, &every, NULL));
    sleep_ms(30);
    siginfo_t info;
    struct timespec zero = {0};
    SHOW(sigtimedwait(&set, &info, &zero) == SIGRTMIN);
    CHECK(info.si_overrun >= 5);
    SHOW(timer_settime(t, 0, &off, &now)), CHECK(now.it_interval.tv_nsec == 2000000);
    sigtimedwait(&set, &info, &zero);
    every.it_value.tv_nsec = 1000000000, SHOW(timer_settime(t, 0, &every, NULL)), SHOW(timer_settime(t, 0, NULL, NULL));
    SHOW(timer_delete(t)), SHOW(timer_delete(t)), SHOW(timer_gettime(t, &now)), SHOW(timer_getoverrun(t));
    int raw;
    e.sigev_notify = 77, SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &raw));
    e.sigev_notify = SIGEV_SIGNAL, e.sigev_signo = 99, SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &raw));
    e.sigev_signo = SIGUSR1, SHOW(syscall(SYS_timer_create, 77, &e, &raw)), SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, (void *)8));
    return 0;
}
