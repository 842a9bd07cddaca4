// alarm and setitimer: the remaining time, a repeating timer, switching off.
#include "check.h"
#include <sys/time.h>
static volatile sig_atomic_t count;
static void note(int number) { (void)number, count++; }
int main(void) {
    signal(SIGALRM, note);
    SHOW(alarm(100));
    SHOW(alarm(50) >= 80);
    SHOW(alarm(0) >= 30);
    SHOW(alarm(0));
    struct itimerval every = {{0, 5000}, {0, 5000}}, now;
    SHOW(setitimer(ITIMER_REAL, &every, NULL));
    while (count < 5) pause();
    SHOW(getitimer(ITIMER_REAL, &now));
    printf("%ld %ld\n", (long)now.it_interval.tv_sec, (long)now.it_interval.tv_usec);
    struct itimerval off = {0};
    SHOW(setitimer(ITIMER_REAL, &off, &now));
    int before = count;
    sleep_ms(30);
    CHECK(count == before);
    SHOW(setitimer(99, &off, NULL));
    struct itimerval bad = {{0, 0}, {0, 1000000}};
    SHOW(setitimer(ITIMER_REAL, &bad, NULL));
    return 0;
}
