// A thread that ends passes a lock on to who waits for it, whatever the word says by then: every kind of mutex and musl's
// own way to end.
#include "asleep.h"
static pthread_mutex_t mutex;
static volatile pid_t waiter;
static pthread_barrier_t barrier;
static int answer;
static void *waits(void *a) {
    announce(&waiter), answer = pthread_mutex_lock(&mutex);
    if (answer == EOWNERDEAD) pthread_mutex_consistent(&mutex);
    if (answer == 0 || answer == EOWNERDEAD) pthread_mutex_unlock(&mutex);
    return a;
}
static void *owns(void *a) { pthread_mutex_lock(&mutex), pthread_barrier_wait(&barrier), await_announced(&waiter); return a; }
static void one(int protocol, int consistent, int contended) {
    pthread_mutexattr_t kind;
    pthread_t owner, other;
    pthread_mutexattr_init(&kind), pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&kind, protocol), pthread_mutex_init(&mutex, &kind), pthread_barrier_init(&barrier, NULL, 2);
    waiter = contended ? 0 : (pid_t)syscall(SYS_getpid);
    if (contended) {
        pthread_create(&owner, NULL, owns, NULL), pthread_barrier_wait(&barrier);
        pthread_create(&other, NULL, waits, NULL);
        pthread_join(owner, NULL), pthread_join(other, NULL);
        printf("protocol %d: who waited got %s; ", protocol, error_name(answer));
    } else {
        pthread_create(&owner, NULL, (void *(*)(void *))pthread_mutex_lock, &mutex), pthread_join(owner, NULL);
        printf("protocol %d: ", protocol);
    }
    int locked = pthread_mutex_lock(&mutex);
    if (consistent && locked == EOWNERDEAD) pthread_mutex_consistent(&mutex);
    printf("lock %s, ", error_name(locked)), printf("unlock %s, ", error_name(pthread_mutex_unlock(&mutex)));
    printf("again %s\n", error_name(pthread_mutex_lock(&mutex)));
}
int main(void) {
    for (int protocol = PTHREAD_PRIO_NONE; protocol <= PTHREAD_PRIO_INHERIT; protocol++)
        for (int contended = 0; contended < 2; contended++)
            for (int consistent = 0; consistent < 2; consistent++) one(protocol, consistent, contended);
    return 0;
}
