// CPU-time clocks of a thread, of another thread and of a process; a sleeping thread uses none.
#include "check.h"
#include <pthread.h>
static volatile int stop;
static void *burn(void *unused) {
    while (!stop) {}
    return unused;
}
static void *sleeper(void *unused) {
    while (!stop) sleep_ms(5);
    return unused;
}
static long ms(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) return -1;
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
int main(void) {
    pthread_t busy, idle;
    clockid_t of_busy, of_idle, of_process;
    pthread_create(&busy, NULL, burn, NULL), pthread_create(&idle, NULL, sleeper, NULL);
    printf("%s %s\n", error_name(pthread_getcpuclockid(busy, &of_busy)), error_name(pthread_getcpuclockid(idle, &of_idle)));
    printf("%s\n", error_name(clock_getcpuclockid(0, &of_process)));
    while (ms(of_busy) < 60) sleep_ms(10);
    CHECK(ms(of_idle) < 40);
    CHECK(ms(CLOCK_THREAD_CPUTIME_ID) < 60);
    CHECK(ms(CLOCK_PROCESS_CPUTIME_ID) >= 60);
    CHECK(ms(of_process) >= 60);
    stop = 1;
    pthread_join(busy, NULL), pthread_join(idle, NULL);
    printf("%s\n", error_name(clock_getcpuclockid(99999, &of_process)));
    struct timespec t;
    SHOW(clock_gettime((~99999u << 3) | 2, &t));
    SHOW(clock_getres(CLOCK_THREAD_CPUTIME_ID, &t)), SHOW(t.tv_nsec);
    SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL) == EINVAL);
    return 0;
}
