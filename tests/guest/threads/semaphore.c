// Semaphores count, block and time out.
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
static sem_t full, empty;
static int slot;
static void *produce(void *unused) {
    for (int i = 1; i <= 300; i++) {
        sem_wait(&empty);
        slot = i;
        sem_post(&full);
    }
    return unused;
}
int main(void) {
    pthread_t t;
    sem_init(&full, 0, 0);
    sem_init(&empty, 0, 1);
    pthread_create(&t, NULL, produce, NULL);
    long sum = 0;
    for (int i = 0; i < 300; i++) {
        sem_wait(&full);
        sum += slot;
        sem_post(&empty);
    }
    pthread_join(t, NULL);
    printf("%ld\n", sum);
    SHOW(sem_trywait(&full));
    struct timespec past = {1, 0};
    SHOW(sem_timedwait(&full, &past));
    int value;
    SHOW(sem_getvalue(&empty, &value));
    printf("%d\n", value);
    return 0;
}
