// The clock system calls and the vDSO tell the same time.
#include "check.h"
#include <sys/time.h>
int main(void) {
    int wrong = 0;
    for (int i = 0; i < 1000; i++) {
        struct timespec a, b, c;
        clock_gettime(CLOCK_MONOTONIC, &a);
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b);
        clock_gettime(CLOCK_MONOTONIC, &c);
        int64_t x = a.tv_sec * 1000000000LL + a.tv_nsec, y = b.tv_sec * 1000000000LL + b.tv_nsec, z = c.tv_sec * 1000000000LL + c.tv_nsec;
        wrong += x > y || y > z;
    }
    printf("%d wrong\n", wrong);
    struct timeval tv;
    SHOW(syscall(SYS_gettimeofday, &tv, NULL));
    CHECK(labs((long)(tv.tv_sec - time(NULL))) <= 20);
    CHECK(labs((long)(syscall(SYS_time, NULL) - time(NULL))) <= 20);
    return 0;
}
