// A thread that never makes a system call does not keep the others from running.
#include "asleep.h"
#include <pthread.h>
static volatile int stop;
static volatile unsigned long spins[3];
static void *spin(void *n) {
    while (!stop) spins[(long)n]++;
    return NULL;
}
int main(void) {
    pthread_t t[3];
    for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, spin, (void *)i);
    AWAIT(spins[0] > 1000 && spins[1] > 1000 && spins[2] > 1000);
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    CHECK(spins[0] > 1000 && spins[1] > 1000 && spins[2] > 1000);
    return 0;
}
