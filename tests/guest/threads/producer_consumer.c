// A bounded queue with a mutex and two conditions: nothing is lost and nothing comes twice.
#include "check.h"
#include <pthread.h>
static int queue[8], used, first, done;
static long taken[4];
static char seen[4000];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static void *produce(void *number) {
    for (long i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        while (used == 8) pthread_cond_wait(&emptied, &lock);
        queue[(first + used++) % 8] = (long)number * 1000 + i, pthread_cond_signal(&filled), pthread_mutex_unlock(&lock);
    }
    return NULL;
}
static void *consume(void *number) {
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!used && !done) pthread_cond_wait(&filled, &lock);
        if (!used) return pthread_mutex_unlock(&lock), NULL;
        int item = queue[first];
        first = (first + 1) % 8, used--, seen[item]++, taken[(long)number]++, pthread_cond_signal(&emptied), pthread_mutex_unlock(&lock);
    }
}
int main(void) {
    pthread_t p[4], c[4];
    for (long i = 0; i < 4; i++) pthread_create(&c[i], NULL, consume, (void *)i), pthread_create(&p[i], NULL, produce, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(p[i], NULL);
    pthread_mutex_lock(&lock), done = 1, pthread_cond_broadcast(&filled), pthread_mutex_unlock(&lock);
    long total = 0, odd = 0;
    for (int i = 0; i < 4; i++) pthread_join(c[i], NULL), total += taken[i];
    for (int i = 0; i < 4000; i++) odd += seen[i] != 1;
    printf("%ld taken, %ld odd\n", total, odd);
    return 0;
}
