// build: -DTHREADS=2000
// Two thousand threads live at once and end in order.
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
static sem_t gate;
static volatile int started, sum;
static void *body(void *number) {
    __sync_fetch_and_add(&started, 1);
    while (sem_wait(&gate)) {}
    __sync_fetch_and_add(&sum, (int)(long)number);
    return number;
}
int main(void) {
    static pthread_t t[THREADS];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes), pthread_attr_setstacksize(&attributes, 65536);
    sem_init(&gate, 0, 0);
    int made = 0;
    for (long i = 0; i < THREADS; i++) made += pthread_create(&t[i], &attributes, body, (void *)i) == 0;
    SHOW(made);
    while (started < made) sleep_ms(5);
    for (int i = 0; i < made; i++) sem_post(&gate);
    for (int i = 0; i < made; i++) pthread_join(t[i], NULL);
    SHOW(sum);
    return 0;
}
