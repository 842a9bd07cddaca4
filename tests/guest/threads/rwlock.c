// Readers share, writers do not.
#include "check.h"
#include <pthread.h>
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static long a, b;
static int torn;
static void *writer(void *unused) {
    for (int i = 0; i < 2000; i++) {
        pthread_rwlock_wrlock(&lock);
        a++, b++;
        pthread_rwlock_unlock(&lock);
    }
    return unused;
}
static void *reader(void *unused) {
    for (int i = 0; i < 2000; i++) {
        pthread_rwlock_rdlock(&lock);
        if (a != b) torn = 1;
        pthread_rwlock_unlock(&lock);
    }
    return unused;
}
int main(void) {
    pthread_t t[6];
    for (int i = 0; i < 6; i++) pthread_create(&t[i], NULL, i % 3 ? reader : writer, NULL);
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    printf("%ld %ld %d\n", a, b, torn);
    SHOW(pthread_rwlock_rdlock(&lock));
    SHOW(pthread_rwlock_tryrdlock(&lock));
    SHOW(pthread_rwlock_trywrlock(&lock) == EBUSY);
    return 0;
}
