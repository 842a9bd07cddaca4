// nanosleep and clock_nanosleep: bad times, absolute ones in the past, what is left after a signal.
// libc: musl
#include "check.h"
static void note(int number) { (void)number; }
int main(void) {
    struct timespec bad = {0, 1000000000}, negative = {-1, 0}, neg = {0, -1}, past = {1, 0}, second = {1, 0}, left = {9, 9};
    SHOW(nanosleep(&bad, NULL)), SHOW(nanosleep(&negative, NULL)), SHOW(nanosleep(&neg, NULL)), SHOW(syscall(SYS_nanosleep, 8, 0)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, &past, NULL)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 1, &past, NULL)), SHOW(syscall(SYS_clock_nanosleep, 99, 0, &past, NULL)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, NULL)), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &past, NULL));
    signal(SIGALRM, note), ualarm(20000, 0), SHOW(nanosleep(&second, &left)), CHECK(left.tv_sec == 0 && left.tv_nsec > 500000000), left.tv_sec = 9, ualarm(20000, 0), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &second, &left)), SHOW(left.tv_sec);
    clock_gettime(CLOCK_MONOTONIC, &second), second.tv_sec++, left.tv_sec = 9, ualarm(20000, 0), SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, &second, &left)), SHOW(left.tv_sec);
    return 0;
}
