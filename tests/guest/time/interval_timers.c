// setitimer and alarm: what is left, replaced, inherited by nobody, and bad values.
#include "asleep.h"
#include "children.h"
#include <sys/time.h>
static volatile int rings;
static void note(int number) { rings++; }
int main(void) {
    signal(SIGALRM, note);
    struct itimerval ten = {{0, 0}, {10, 0}}, every = {{0, 5000}, {0, 5000}}, off = {0}, old, bad = {{0, 0}, {0, 1000000}}, negative = {{0, 0}, {-1, 0}};
    SHOW(alarm(100)), SHOW(alarm(50) >= 80), SHOW(setitimer(ITIMER_REAL, &ten, &old)), CHECK(old.it_value.tv_sec >= 30), SHOW(alarm(0)), SHOW(getitimer(ITIMER_REAL, &old)), SHOW(old.it_value.tv_sec + old.it_value.tv_usec), SHOW(setitimer(ITIMER_REAL, &every, NULL));
    while (rings < 5) pause();
    IN_CHILD("child", getitimer(ITIMER_REAL, &old); SHOW(old.it_value.tv_usec); SHOW(old.it_interval.tv_usec));
    SHOW(getitimer(ITIMER_REAL, &old)), SHOW(old.it_interval.tv_usec), CHECK(old.it_value.tv_usec <= 5000), SHOW(setitimer(ITIMER_REAL, &off, NULL)), SHOW(setitimer(ITIMER_REAL, &bad, NULL)), SHOW(setitimer(ITIMER_REAL, &negative, NULL)), SHOW(setitimer(9, &ten, NULL)), SHOW(getitimer(9, &old)), SHOW(syscall(SYS_setitimer, ITIMER_REAL, 8, NULL)), SHOW(syscall(SYS_getitimer, ITIMER_REAL, 8)), rings = 0, sleep_ms(20), SHOW(rings), SHOW(ualarm(1000, 0));
    AWAIT(rings);
    SHOW(rings);
    return 0;
}
