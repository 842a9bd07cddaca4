// The futex call itself: value mismatch, time-outs, wake counts, requeue.
// build: -pthread
#include "asleep.h"
#include <pthread.h>
static int word, other, woken;
static pid_t asleep[4];
static long futex(int *at, int op, int value, void *fourth, int *second, int third) {
    return syscall(SYS_futex, at, op, value, fourth, second, third);
}
#define WAIT 0
#define WAKE 1
#define REQUEUE 3
#define CMP_REQUEUE 4
#define WAIT_BITSET 9
#define PRIVATE 128
static void *sleeper(void *place) {
    announce(place);
    futex(&word, WAIT | PRIVATE, 0, NULL, NULL, 0);
    __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}
int main(void) {
    struct timespec short_ = {0, 10000000}, bad = {0, 1000000000};
    SHOW(futex(&word, WAIT | PRIVATE, 1, NULL, NULL, 0));
    SHOW(futex(&word, WAIT | PRIVATE, 0, &short_, NULL, 0));
    SHOW(futex(&word, WAIT | PRIVATE, 0, &bad, NULL, 0));
    SHOW(futex(&word, WAKE | PRIVATE, 1, NULL, NULL, 0));
    struct timespec past = {0, 1};
    SHOW(futex(&word, WAIT_BITSET | PRIVATE, 0, &past, NULL, -1));
    SHOW(futex(&word, WAIT_BITSET | PRIVATE, 0, &past, NULL, 0));
    SHOW(futex((int *)((char *)&word + 1), WAIT | PRIVATE, 0, NULL, NULL, 0));
    SHOW(futex((int *)16, WAIT | PRIVATE, 0, NULL, NULL, 0));
    SHOW(futex(&word, 99, 0, NULL, NULL, 0));
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, sleeper, &asleep[i]);
    for (int i = 0; i < 4; i++) await_announced(&asleep[i]);
    SHOW(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *)2L, &other, 5));
    SHOW(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *)2L, &other, 0));
    SHOW(futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0));
    SHOW(futex(&other, WAKE | PRIVATE, 10, NULL, NULL, 0));
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    printf("%d\n", woken);
    return 0;
}
