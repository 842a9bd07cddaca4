// One thread waits for all signals (sigwaitinfo), the others work undisturbed.
#include "check.h"
#include <pthread.h>
static int counts[65], sum;
static volatile int stop;
static long work;
static void *waiter(void *set) {
    siginfo_t info;
    for (;;) {
        int number = sigwaitinfo(set, &info);
        if (number == SIGTERM) return NULL;
        counts[number]++, sum += info.si_code == SI_QUEUE ? info.si_value.sival_int : 0;
    }
}
static void *worker(void *unused) {
    while (!stop) __atomic_fetch_add(&work, 1, __ATOMIC_RELAXED), sched_yield();
    return unused;
}
int main(void) {
    sigset_t set;
    sigfillset(&set), pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_t w, t[3];
    pthread_create(&w, NULL, waiter, &set);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, worker, NULL);
    for (int i = 1; i <= 50; i++) sigqueue(getpid(), SIGRTMIN + i % 3, (union sigval){.sival_int = i});
    while (__atomic_load_n(&counts[SIGRTMIN], __ATOMIC_RELAXED) + __atomic_load_n(&counts[SIGRTMIN + 1], __ATOMIC_RELAXED) + __atomic_load_n(&counts[SIGRTMIN + 2], __ATOMIC_RELAXED) < 50) sleep_ms(1);
    while (!__atomic_load_n(&work, __ATOMIC_RELAXED)) sleep_ms(1);
    kill(getpid(), SIGTERM), pthread_join(w, NULL), stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    printf("%d %d %d, %d\n", counts[SIGRTMIN], counts[SIGRTMIN + 1], counts[SIGRTMIN + 2], sum), CHECK(work > 0);
    return 0;
}
