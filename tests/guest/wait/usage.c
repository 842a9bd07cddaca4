// wait4 tells the child's CPU time, and it counts among the children's afterwards.
// libc: musl
#include "children.h"
#include <sys/resource.h>
#include <sys/times.h>
static long us(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }
int main(void) {
    struct rusage usage, before, after;
    int status;
    getrusage(RUSAGE_CHILDREN, &before);
    SHOW(us(before.ru_utime) + us(before.ru_stime));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        struct timespec now;
        do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        while (now.tv_nsec < 60000000);
        _exit(0);
    }
    SHOW(wait4(pid, &status, 0, &usage) == pid);
    CHECK(us(usage.ru_utime) + us(usage.ru_stime) >= 50000);
    getrusage(RUSAGE_CHILDREN, &after);
    CHECK(us(after.ru_utime) + us(after.ru_stime) >= 50000);
    struct tms t;
    TRY(times(&t));
    CHECK(t.tms_cutime + t.tms_cstime >= 4);
    SHOW(getrusage(5, &after));
    SHOW(getrusage(RUSAGE_THREAD, &after));
    SHOW(getrusage(RUSAGE_SELF, (void *)8));
    return 0;
}
