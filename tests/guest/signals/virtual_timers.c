// ITIMER_VIRTUAL and ITIMER_PROF count CPU time, not waiting; the three timers are apart.
#include "check.h"
#include <sys/time.h>
static volatile sig_atomic_t alarms, virtuals, profiles;
static void note(int number) { number == SIGALRM ? alarms++ : number == SIGVTALRM ? virtuals++ : profiles++; }
int main(void) {
    signal(SIGALRM, note), signal(SIGVTALRM, note), signal(SIGPROF, note);
    struct itimerval ms10 = {{0, 10000}, {0, 10000}}, off = {0}, now;
    SHOW(setitimer(ITIMER_VIRTUAL, &ms10, NULL)), SHOW(setitimer(ITIMER_PROF, &ms10, NULL));
    while (virtuals < 3 || profiles < 3) {}
    SHOW(alarms);
    SHOW(getitimer(ITIMER_VIRTUAL, &now)), SHOW(now.it_interval.tv_usec);
    CHECK(now.it_value.tv_usec > 0 && now.it_value.tv_usec <= 14000);
    int then = virtuals;
    sleep_ms(60);
    CHECK(virtuals - then <= 2);
    SHOW(setitimer(ITIMER_VIRTUAL, &off, NULL)), SHOW(setitimer(ITIMER_PROF, &off, NULL));
    SHOW(getitimer(ITIMER_PROF, &now)), SHOW(now.it_value.tv_usec);
    SHOW(setitimer(ITIMER_REAL, (void *)8, NULL)), SHOW(getitimer(5, &now));
    return 0;
}
