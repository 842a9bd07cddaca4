// Time-outs of conditions, mutexes and semaphores, on both clocks, in the past and bad ones.
#include "asleep.h"
#include <pthread.h>
#include <semaphore.h>
static struct timespec in_ms(clockid_t clock, long ms) {
    struct timespec t;
    clock_gettime(clock, &t), t.tv_nsec += ms * 1000000, t.tv_sec += t.tv_nsec / 1000000000, t.tv_nsec %= 1000000000;
    return t;
}
#define ANSWER(call) printf("%s: %s\n", #call, error_name(call))
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, own = PTHREAD_MUTEX_INITIALIZER;
static sem_t release;
static pid_t main_thread;
static void *holder(void *gate) {
    pthread_mutex_lock(&held), sem_post(gate);
    while (sem_wait(&release)) {}
    await_asleep(main_thread), pthread_mutex_unlock(&held);
    return gate;
}
int main(void) {
    int64_t before = now_ms();
    pthread_condattr_t a;
    pthread_cond_t real = PTHREAD_COND_INITIALIZER, mono;
    pthread_condattr_init(&a), pthread_condattr_setclock(&a, CLOCK_MONOTONIC), pthread_cond_init(&mono, &a);
    struct timespec soon = in_ms(CLOCK_REALTIME, 20), later = in_ms(CLOCK_MONOTONIC, 20), past = {1, 0}, bad = {0, 1000000000};
    pthread_mutex_lock(&own), ANSWER(pthread_cond_timedwait(&real, &own, &soon)), ANSWER(pthread_cond_timedwait(&mono, &own, &later)), ANSWER(pthread_cond_timedwait(&real, &own, &past)), ANSWER(pthread_cond_timedwait(&real, &own, &bad)), CHECK(now_ms() - before >= 15);
    sem_t s, gate;
    sem_init(&s, 0, 1), sem_init(&gate, 0, 0), sem_init(&release, 0, 0), main_thread = getpid(), SHOW(sem_timedwait(&s, &past)), SHOW(sem_timedwait(&s, &past)), soon = in_ms(CLOCK_REALTIME, 10), SHOW(sem_timedwait(&s, &soon)), SHOW(sem_trywait(&s));
    pthread_t t;
    pthread_create(&t, NULL, holder, &gate), sem_wait(&gate), soon = in_ms(CLOCK_REALTIME, 10), ANSWER(pthread_mutex_timedlock(&held, &soon)), ANSWER(pthread_mutex_trylock(&held)), soon = in_ms(CLOCK_REALTIME, 100000), sem_post(&release), ANSWER(pthread_mutex_timedlock(&held, &soon)), pthread_join(t, NULL);
    return 0;
}
