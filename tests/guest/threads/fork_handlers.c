// pthread_atfork: order of handlers, locks that survive a fork, vfork without handlers.
#include "children.h"
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int steps[16], used;
static void before1(void) { steps[used++] = 1; }
static void before2(void) { steps[used++] = 2, pthread_mutex_lock(&lock); }
static void parent1(void) { steps[used++] = 3; }
static void parent2(void) { steps[used++] = 4, pthread_mutex_unlock(&lock); }
static void child1(void) { steps[used++] = 5; }
static void child2(void) { steps[used++] = 6, pthread_mutex_unlock(&lock); }
static volatile int stop;
static void *busy(void *unused) {
    while (!stop) pthread_mutex_lock(&lock), sched_yield(), pthread_mutex_unlock(&lock), sched_yield();
    return unused;
}
static void show(const char *who) {
    printf("%s:", who);
    for (int i = 0; i < used; i++) printf(" %d", steps[i]);
    printf("\n");
}
int main(void) {
    pthread_atfork(before1, parent1, child1), pthread_atfork(before2, parent2, child2);
    pthread_t t;
    pthread_create(&t, NULL, busy, NULL);
    for (int i = 0; i < 10; i++) {
        used = 0;
        IN_CHILD("child", if (i == 0) show("in the child"); pthread_mutex_lock(&lock); pthread_mutex_unlock(&lock));
    }
    show("in the parent"), stop = 1, pthread_join(t, NULL);
    return 0;
}
