// futex_waitv: the first word that is woken, values that differ, time-outs, and what it refuses.
#include "asleep.h"
#include <pthread.h>
struct waiter { uint64_t value, address; uint32_t flags, reserved; };
static uint32_t words[3];
static long waitv(struct waiter *list, unsigned count, unsigned flags, struct timespec *until, int clock) {
    return syscall(449, list, count, flags, until, clock);
}
static void wake(void) {
    words[1] = 1;
    syscall(SYS_futex, &words[1], 1 | 128, 1, NULL, NULL, 0);
}
int main(void) {
    struct waiter list[3];
    for (int i = 0; i < 3; i++) list[i] = (struct waiter){0, (uint64_t)&words[i], 2 | 128, 0};
    pthread_t t = once_asleep(wake);
    SHOW(waitv(list, 3, 0, NULL, 0));
    pthread_join(t, NULL);
    SHOW(waitv(list, 3, 0, NULL, 0));
    words[1] = 0;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    SHOW(waitv(list, 3, 0, &until, CLOCK_MONOTONIC));
    SHOW(waitv(list, 0, 0, NULL, 0)), SHOW(waitv(list, 129, 0, NULL, 0)), SHOW(waitv(list, 3, 1, NULL, 0));
    SHOW(waitv(list, 3, 0, &until, CLOCK_PROCESS_CPUTIME_ID));
    SHOW(waitv(NULL, 3, 0, NULL, 0)), SHOW(waitv((void *)8, 3, 0, NULL, 0));
    list[2].reserved = 1, SHOW(waitv(list, 3, 0, NULL, 0)), list[2].reserved = 0;
    list[2].flags = 128, SHOW(waitv(list, 3, 0, NULL, 0)), list[2].flags = 2 | 128;
    list[2].address = 9, SHOW(waitv(list, 3, 0, NULL, 0));
    list[2].address = 16, SHOW(waitv(list, 3, 0, NULL, 0));
    return 0;
}
