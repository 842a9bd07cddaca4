// Clocks that there are not, bad pointers, resolutions, settings refused.
// libc: glibc
#include "check.h"
#include <sys/time.h>
int main(void) {
    struct timespec t;
    int ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, 5, 6, CLOCK_BOOTTIME, 10, 11, 12, 99, -1};
    for (int i = 0; i < 13; i++) printf("%d: %s %s\n", ids[i], syscall(SYS_clock_gettime, ids[i], &t) ? error_name(errno) : "ok", syscall(SYS_clock_getres, ids[i], &t) ? error_name(errno) : "ok");
    SHOW(syscall(SYS_clock_gettime, 0, 8)), SHOW(syscall(SYS_clock_getres, 0, 0)), SHOW(syscall(SYS_gettimeofday, 8, 0)), SHOW(syscall(SYS_gettimeofday, 0, 0)), SHOW(syscall(SYS_time, 8));
    setresuid(1, 1, 1), SHOW(clock_settime(CLOCK_REALTIME, &(struct timespec){1, 0})), SHOW(syscall(SYS_settimeofday, &(struct timeval){1, 0}, NULL));
    return 0;
}
