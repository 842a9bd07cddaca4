// A counter under a mutex is right whoever is preempted where.
#include "check.h"
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile long counter;
static void *count(void *unused) {
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
int main(void) {
    pthread_t t[8];
    for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
    printf("%ld\n", counter);
    SHOW(pthread_mutex_trylock(&lock));
    SHOW(pthread_mutex_trylock(&lock) == EBUSY);
    struct timespec past = {0};
    SHOW(pthread_mutex_timedlock(&lock, &past) == ETIMEDOUT);
    SHOW(pthread_mutex_unlock(&lock));
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_t again;
    pthread_mutex_init(&again, &kind);
    SHOW(pthread_mutex_lock(&again));
    SHOW(pthread_mutex_lock(&again));
    SHOW(pthread_mutex_unlock(&again));
    SHOW(pthread_mutex_unlock(&again));
    return 0;
}
