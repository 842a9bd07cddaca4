// FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: waiters of a condition become owners of a lock, one after the other.
#include "asleep.h"
#include "futexes.h"
#include <pthread.h>
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI 12
#define COUNT 4
static uint32_t condition, lock, third;
static pid_t asleep[COUNT];
static long results[COUNT];
static int order[COUNT], done;
static long call(uint32_t *word, int op, long value, void *fourth, uint32_t *other, uint32_t last) {
    return syscall(SYS_futex, word, op, value, fourth, other, last);
}
static void *waiter(void *argument) {
    long i = (long)argument;
    announce(&asleep[i]);
    results[i] = call(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock, 0);
    int owner = (lock & FUTEX_TID_MASK) == (uint32_t)syscall(SYS_gettid);
    order[done++] = owner ? (int)i : -1;
    if (call(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)) perror("unlock");
    return NULL;
}
static pthread_t threads[COUNT];
static void start(void) {
    for (long i = 0; i < COUNT; i++) {
        asleep[i] = 0, results[i] = 9, order[i] = -2;
        pthread_create(&threads[i], NULL, waiter, (void *)i);
        await_announced(&asleep[i]);
    }
    done = 0;
}
static void finish(void) {
    for (int i = 0; i < COUNT; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < COUNT; i++) SHOW(results[i]), SHOW(order[i]);
    SHOW(lock);
}
static volatile int handled;
static void handler(int signal) { handled = signal, condition = 1; }
static void *interrupted(void *unused) {
    announce(&asleep[0]);
    SHOW(call(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock, 0));
    return unused;
}
int main(void) {
    struct timespec past = {0, 1};
    SHOW(call(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &condition, 0));
    SHOW(call(&condition, FUTEX_WAIT_REQUEUE_PI, 1, NULL, &lock, 0));
    SHOW(call(&condition, FUTEX_WAIT_REQUEUE_PI, 0, &past, &lock, 0));
    SHOW(call(&condition, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 0, &past, &lock, 0));
    SHOW(call(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, (uint32_t *)((char *)&lock + 1), 0));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &lock, 0));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &lock, 5));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, &lock, 0));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &condition, 0));

    // A lock that is free goes to the first; nobody may wake or move these in another way.
    start();
    SHOW(call(&condition, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE, 0, (void *)1, &third, 0));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &third, 0));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &lock, 0));
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, &lock, 0));
    finish();

    // One that the caller has goes on when it is given up.
    SHOW(call(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    start();
    SHOW(call(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, &lock, 0));
    CHECK(lock == ((uint32_t)syscall(SYS_gettid) | FUTEX_WAITERS));
    SHOW(done);
    // The others print nothing until they are joined.
    SHOW(call(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    finish();

    // A handler does not end the wait, but what it waits for has changed.
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    asleep[0] = 0;
    pthread_create(&threads[0], NULL, interrupted, NULL);
    await_announced(&asleep[0]);
    pthread_kill(threads[0], SIGUSR1), pthread_join(threads[0], NULL);
    SHOW(handled == SIGUSR1);
    return 0;
}
