// FUTEX_LOCK_PI and its relatives by hand: the word's owner and its waiters' bit, and errors.
#include "asleep.h"
#include "futexes.h"
#include <pthread.h>
static uint32_t word;
static pid_t at_lock;
static long futex(int op, void *timeout) { return syscall(SYS_futex, &word, op, 0, timeout, NULL, 0); }
static void *other(void *unused) {
    SHOW(futex(FUTEX_TRYLOCK_PI, NULL));
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    SHOW(futex(FUTEX_LOCK_PI, &until));
    SHOW(futex(FUTEX_UNLOCK_PI, NULL));
    announce(&at_lock);
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
    await_announced(&at_lock);
    CHECK(word & FUTEX_WAITERS);
    // The other thread prints from here on.
    long handed_over = futex(FUTEX_UNLOCK_PI, NULL);
    pthread_join(t, NULL);
    SHOW(handed_over);
    SHOW(futex(FUTEX_UNLOCK_PI, NULL));
    word = 4999999;
    SHOW(futex(FUTEX_LOCK_PI, NULL));
    word = 0;
    SHOW(futex(FUTEX_LOCK_PI2, NULL));
    SHOW(futex(FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, NULL));
    return 0;
}
