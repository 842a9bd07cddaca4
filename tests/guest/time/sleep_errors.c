// nanosleep and clock_nanosleep: bad times, absolute ones in the past, what is left after a signal.
// libc: musl
#include "asleep.h"
static void note(int number) { (void)number; }
static void ring(void) { ualarm(1000, 0); }
int main(void) {
    struct timespec bad = {0, 1000000000}, negative = {-1, 0}, neg = {0, -1}, past = {1, 0}, until = {100, 0}, left = {9, 9};
    SHOW(nanosleep(&bad, NULL)), SHOW(nanosleep(&negative, NULL)), SHOW(nanosleep(&neg, NULL)), SHOW(syscall(SYS_nanosleep, 8, 0)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, &past, NULL)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 1, &past, NULL)), SHOW(syscall(SYS_clock_nanosleep, 99, 0, &past, NULL)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, NULL)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &past, NULL));
    signal(SIGALRM, note);
    pthread_t t = once_asleep(ring);
    SHOW(nanosleep(&until, &left)), pthread_join(t, NULL), CHECK(left.tv_sec > 10 && left.tv_sec < 100);
    left.tv_sec = 9, t = once_asleep(ring), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &until, &left)), pthread_join(t, NULL), CHECK(left.tv_sec > 10 && left.tv_sec < 100);
    clock_gettime(CLOCK_MONOTONIC, &until), until.tv_sec += 100, left.tv_sec = 9, t = once_asleep(ring), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, &until, &left)), pthread_join(t, NULL), SHOW(left.tv_sec);
    return 0;
}
