// Priority-inheriting mutexes: lock, hand over, trylock, time-outs, owners that die.
#include "check.h"
#include <pthread.h>
static pthread_mutex_t lock;
static int shared;
static void *adder(void *unused) {
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&lock);
        int now = shared;
        if (i % 100 == 0) sched_yield();
        shared = now + 1;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void *holder(void *unused) {
    pthread_mutex_lock(&lock);
    return unused;
}
int main(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    printf("%s\n", error_name(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT)));
    printf("%s\n", error_name(pthread_mutex_init(&lock, &attributes)));
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, adder, NULL);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    SHOW(shared);
    pthread_mutex_lock(&lock);
    printf("%s\n", error_name(pthread_mutex_trylock(&lock)));
    pthread_mutex_unlock(&lock);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &attributes);
    pthread_create(&t[0], NULL, holder, NULL), pthread_join(t[0], NULL);
    printf("%s\n", error_name(pthread_mutex_lock(&lock)));
    printf("%s\n", error_name(pthread_mutex_consistent(&lock)));
    printf("%s\n", error_name(pthread_mutex_unlock(&lock)));
    printf("%s\n", error_name(pthread_mutex_lock(&lock)));
    return 0;
}
