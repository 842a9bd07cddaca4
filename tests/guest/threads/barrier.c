// A barrier lets nobody through before all are there, and one of them is told so.
#include "check.h"
#include <pthread.h>
static pthread_barrier_t gate;
static int arrived, serial, early;
static void *run(void *unused) {
    for (int round = 1; round <= 20; round++) {
        __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
        if (pthread_barrier_wait(&gate) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 5 * round) early = 1;
        pthread_barrier_wait(&gate);
    }
    return unused;
}
int main(void) {
    pthread_t t[5];
    pthread_barrier_init(&gate, NULL, 5);
    for (int i = 0; i < 5; i++) pthread_create(&t[i], NULL, run, NULL);
    for (int i = 0; i < 5; i++) pthread_join(t[i], NULL);
    printf("%d %d %d\n", arrived, serial, early);
    return 0;
}
