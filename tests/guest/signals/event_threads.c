// SIGEV_THREAD: the C library runs a function in a thread of its own for each expiry.
#include "check.h"
#include <semaphore.h>
static sem_t done;
static void fire(union sigval value) { __sync_fetch_and_add((int *)value.sival_ptr, 1), sem_post(&done); }
int main(void) {
    static int runs;
    sem_init(&done, 0, 0);
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = fire, .sigev_value.sival_ptr = &runs};
    struct itimerspec every = {{0, 3000000}, {0, 3000000}};
    SHOW(timer_create(CLOCK_MONOTONIC, &e, &t)), SHOW(timer_settime(t, 0, &every, NULL));
    for (int i = 0; i < 3; i++) sem_wait(&done);
    SHOW(timer_delete(t));
    CHECK(runs >= 3);
    return 0;
}
