// Threads are created, return values and are joined; one can detach, one can exit early.
#include "check.h"
#include <pthread.h>
static void *square(void *n) { return (void *)((long)n * (long)n); }
static void *leave(void *n) { pthread_exit((char *)n + 1); }
static void *nothing(void *n) { return n; }
int main(void) {
    pthread_t t[20];
    long sum = 0;
    for (long i = 0; i < 20; i++) pthread_create(&t[i], NULL, square, (void *)i);
    for (int i = 0; i < 20; i++) {
        void *value;
        pthread_join(t[i], &value);
        sum += (long)value;
    }
    printf("%ld\n", sum);
    void *value;
    pthread_create(&t[0], NULL, leave, (void *)41);
    SHOW(pthread_join(t[0], &value));
    printf("%ld\n", (long)value);
    pthread_create(&t[0], NULL, nothing, NULL);
    SHOW(pthread_detach(t[0]));
    CHECK(pthread_equal(pthread_self(), pthread_self()));
    return 0;
}
