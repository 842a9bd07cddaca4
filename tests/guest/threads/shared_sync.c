// Process-shared mutex, condition, barrier and semaphore between parent and child.
#include "children.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
struct shared { pthread_mutex_t lock; pthread_cond_t cond; pthread_barrier_t barrier; sem_t sem; int turn, sum; };
int main(void) {
    struct shared *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t m;
    pthread_condattr_t c;
    pthread_barrierattr_t b;
    pthread_mutexattr_init(&m), pthread_mutexattr_setpshared(&m, 1), pthread_mutex_init(&s->lock, &m);
    pthread_condattr_init(&c), pthread_condattr_setpshared(&c, 1), pthread_cond_init(&s->cond, &c);
    pthread_barrierattr_init(&b), pthread_barrierattr_setpshared(&b, 1), pthread_barrier_init(&s->barrier, &b, 2);
    sem_init(&s->sem, 1, 0);
    pid_t pid = NEED(fork());
    int me = pid == 0;
    for (int round = 0; round < 200; round++) {
        pthread_mutex_lock(&s->lock);
        while (s->turn != me) pthread_cond_wait(&s->cond, &s->lock);
        s->sum += me ? 1 : 1000, s->turn = !me;
        pthread_cond_broadcast(&s->cond);
        pthread_mutex_unlock(&s->lock);
    }
    int serial = pthread_barrier_wait(&s->barrier);
    if (me) {
        sem_post(&s->sem);
        _exit(0);
    }
    SHOW(sem_wait(&s->sem));
    SHOW(s->sum);
    (void)serial;
    wait(NULL);
    return 0;
}
