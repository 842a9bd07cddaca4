// FUTEX_LOCK_PI and its relatives by hand: the word's owner and its waiters' bit, and errors.
#include "check.h"
#include "futexes.h"
#include <pthread.h>
static uint32_t word;
static long futex(int op, void *timeout) { return syscall(SYS_futex, &word, op, 0, timeout, NULL, 0); }
static void *other(void *unused) {
    SHOW(futex(FUTEX_TRYLOCK_PI, NULL));
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    SHOW(futex(FUTEX_LOCK_PI, &until));
    SHOW(futex(FUTEX_UNLOCK_PI, NULL));
    SHOW(futex(FUTEX_LOCK_PI, NULL));
    CHECK((word & FUTEX_TID_MASK) == syscall(SYS_gettid));
    SHOW(futex(FUTEX_UNLOCK_PI, NULL));
    SHOW(word);
    return unused;
}
int main(void) {
    SHOW(futex(FUTEX_LOCK_PI, NULL));
    CHECK(word == syscall(SYS_gettid));
    SHOW(futex(FUTEX_LOCK_PI, NULL));
    SHOW(futex(FUTEX_TRYLOCK_PI, NULL));
    pthread_t t;
    pthread_create(&t, NULL, other, NULL);
    sleep_ms(50);
    CHECK(word & FUTEX_WAITERS);
    SHOW(futex(FUTEX_UNLOCK_PI, NULL));
    pthread_join(t, NULL);
    SHOW(futex(FUTEX_UNLOCK_PI, NULL));
    word = 99999;
    SHOW(futex(FUTEX_LOCK_PI, NULL));
    word = 0;
    SHOW(futex(FUTEX_LOCK_PI2, NULL));
    SHOW(futex(FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, NULL));
    return 0;
}
