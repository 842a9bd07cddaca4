// A broadcast wakes all that wait.
#include "check.h"
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER, all_wait = PTHREAD_COND_INITIALIZER;
static int waiting, open_, passed;
static void *wait_for_it(void *unused) {
    pthread_mutex_lock(&lock);
    if (++waiting == 30) pthread_cond_signal(&all_wait);
    while (!open_) pthread_cond_wait(&go, &lock);
    passed++;
    pthread_mutex_unlock(&lock);
    return unused;
}
int main(void) {
    pthread_t t[30];
    for (int i = 0; i < 30; i++) pthread_create(&t[i], NULL, wait_for_it, NULL);
    pthread_mutex_lock(&lock);
    while (waiting < 30) pthread_cond_wait(&all_wait, &lock);
    printf("%d passed\n", passed);
    open_ = 1;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 30; i++) pthread_join(t[i], NULL);
    printf("%d passed\n", passed);
    return 0;
}
