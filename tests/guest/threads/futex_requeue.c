// FUTEX_CMP_REQUEUE wakes some and moves the rest; FUTEX_WAKE_OP wakes by what it finds.
#include "asleep.h"
#include "futexes.h"
#include <pthread.h>
static uint32_t from, to;
static volatile int woken;
static pid_t asleep[6];
static void *waiter(void *place) {
    announce(place);
    syscall(SYS_futex, &from, FUTEX_WAIT, 0, NULL, NULL, 0);
    __sync_fetch_and_add(&woken, 1);
    return NULL;
}
int main(void) {
    pthread_t t[6];
    for (int i = 0; i < 6; i++) pthread_create(&t[i], NULL, waiter, &asleep[i]);
    for (int i = 0; i < 6; i++) await_announced(&asleep[i]);
    SHOW(syscall(SYS_futex, &from, FUTEX_CMP_REQUEUE, 1, 3L, &to, 7));
    SHOW(syscall(SYS_futex, &from, FUTEX_CMP_REQUEUE, 1, 3L, &to, 0));
    AWAIT(woken > 0);
    SHOW(woken);
    SHOW(syscall(SYS_futex, &from, FUTEX_WAKE, 10, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, &to, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, &to, FUTEX_REQUEUE, 0, 10L, &from, 0));
    SHOW(syscall(SYS_futex, &to, FUTEX_WAKE, 10, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, &from, FUTEX_WAKE, 10, NULL, NULL, 0));
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    SHOW(woken);
    to = 3;
    SHOW(syscall(SYS_futex, &from, FUTEX_WAKE_OP, 1, 1L, &to, FUTEX_OP(FUTEX_OP_ADD, 4, FUTEX_OP_CMP_EQ, 3)));
    SHOW(to);
    SHOW(syscall(SYS_futex, &from, FUTEX_WAKE_OP, 1, 1L, &to, FUTEX_OP(FUTEX_OP_XOR, 7, FUTEX_OP_CMP_LT, -1)));
    SHOW(to);
    SHOW(syscall(SYS_futex, &from, FUTEX_WAKE_OP, 1, 1L, &to, FUTEX_OP(FUTEX_OP_SET, -5, FUTEX_OP_CMP_GE, 9)));
    SHOW((int)to);
    SHOW(syscall(SYS_futex, &from, FUTEX_WAKE_OP, 1, 1L, (char *)8, FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_GE, 9)));
    return 0;
}
