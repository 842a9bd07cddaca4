// Twenty threads compute with vectors under preemption and signals; no lane is lost.
// libc: glibc
#include "check.h"
#include <pthread.h>
#include <sys/time.h>
typedef double v4 __attribute__((vector_size(32)));
static void note(int number) { volatile double x = 1.1; (void)number, x *= 3; }
static void *body(void *seed) {
    v4 x = {(long)seed, (long)seed + 1, (long)seed + 2, (long)seed + 3}, one = {1, 1, 1, 1};
    for (int i = 0; i < 300000; i++) x = x + one;
    double *r = malloc(sizeof *r);
    return *r = x[0] + x[1] + x[2] + x[3], r;
}
int main(void) {
    signal(SIGALRM, note);
    struct itimerval every = {{0, 2000}, {0, 2000}}, off = {0};
    setitimer(ITIMER_REAL, &every, NULL);
    pthread_t t[20];
    for (long i = 0; i < 20; i++) pthread_create(&t[i], NULL, body, (void *)i);
    for (int i = 0; i < 20; i++) {
        double *r;
        pthread_join(t[i], (void **)&r), printf("%.0f\n", *r);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    return 0;
}
