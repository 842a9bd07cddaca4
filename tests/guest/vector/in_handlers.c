// A handler that computes leaves the vector state of what it interrupted alone.
#include "check.h"
#include <sys/time.h>
static volatile double scratch;
static volatile sig_atomic_t count;
static void handler(int number) {
    (void)number;
    double x = 1.5;
    for (int i = 0; i < 100; i++) x = x * 1.01 + 0.5;
    scratch = x;
    __asm__ volatile("pxor %%xmm0, %%xmm0\n pxor %%xmm5, %%xmm5\n pxor %%xmm15, %%xmm15" ::: "xmm0", "xmm5", "xmm15");
    count++;
}
int main(void) {
    signal(SIGALRM, handler);
    struct itimerval every = {{0, 2000}, {0, 2000}}, off = {0};
    setitimer(ITIMER_REAL, &every, NULL);
    double sum = 0;
    for (long i = 1; count < 20 || i < 2000000; i++)
        if (i < 2000000) sum += 1.0 / i;
    setitimer(ITIMER_REAL, &off, NULL);
    printf("%.17g\n", sum);
    return 0;
}
