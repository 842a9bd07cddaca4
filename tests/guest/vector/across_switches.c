// Each thread keeps its floating point state while all of them compute and are preempted.
#include "check.h"
#include <math.h>
#include <pthread.h>
#include <sched.h>
static double results[6];
static void *compute(void *n) {
    double x = (double)((long)n + 1), sum = 0;
    for (int i = 1; i < 3000000; i++) {
        sum += x / i;
        x = x * 1.0000001;
        if (i % 500000 == 0) sched_yield();
    }
    results[(long)n] = sum;
    return NULL;
}
int main(void) {
    pthread_t t[6];
    for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, compute, (void *)i);
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < 6; i++) printf("%.17g\n", results[i]);
    return 0;
}
