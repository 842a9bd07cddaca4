// CPU-time clocks of a thread, of another thread and of a process; a sleeping thread uses none.
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
static volatile int stop;
static sem_t woken;
static void *burn(void *unused) {
    while (!stop) {}
    return unused;
}
static void *sleeper(void *unused) {
    while (sem_wait(&woken)) {}
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
    sem_init(&woken, 0, 0);
    pthread_create(&busy, NULL, burn, NULL), pthread_create(&idle, NULL, sleeper, NULL);
    printf("%s %s\n", error_name(pthread_getcpuclockid(busy, &of_busy)), error_name(pthread_getcpuclockid(idle, &of_idle)));
    printf("%s\n", error_name(clock_getcpuclockid(0, &of_process)));
    while (ms(of_busy) < 60) sleep_ms(10);
    // Each is read before the one that it is part of: both may go on meanwhile.
    long idle_ms = ms(of_idle), busy_ms = ms(of_busy), own_ms = ms(CLOCK_THREAD_CPUTIME_ID);
    CHECK(idle_ms < busy_ms);
    CHECK(ms(CLOCK_PROCESS_CPUTIME_ID) + 20 >= idle_ms + busy_ms + own_ms);
    CHECK(ms(of_process) + 20 >= idle_ms + busy_ms + own_ms);
    stop = 1, sem_post(&woken);
    pthread_join(busy, NULL), pthread_join(idle, NULL);
    printf("%s\n", error_name(clock_getcpuclockid(4999999, &of_process)));
    struct timespec t;
    SHOW(clock_gettime((~99999u << 3) | 2, &t));
    SHOW(clock_getres(CLOCK_THREAD_CPUTIME_ID, &t)), SHOW(t.tv_nsec);
    SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL) == EINVAL);
    return 0;
}
