// timer_create: a signal at its time, overruns, deletion.
#include "asleep.h"
static volatile sig_atomic_t count;
static void note(int number, siginfo_t *info, void *context) { (void)number, (void)context, count += info->si_value.sival_int; }
int main(void) {
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 10};
    timer_t timer;
    SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec once = {.it_value = {0, 10000000}}, now;
    SHOW(timer_settime(timer, 0, &once, NULL));
    AWAIT(count);
    printf("%d\n", count);
    SHOW(timer_gettime(timer, &now));
    CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
    struct itimerspec far = {.it_value = {100, 0}};
    SHOW(timer_settime(timer, 0, &far, NULL));
    SHOW(timer_gettime(timer, &now));
    CHECK(now.it_value.tv_sec >= 80);
    SHOW(timer_getoverrun(timer));
    SHOW(timer_delete(timer));
    return 0;
}
