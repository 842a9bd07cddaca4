// sysinfo, times, getrusage, sysconf and the CPU mask agree with one another.
#include "check.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
int main(void) {
    struct sysinfo info;
    SHOW(sysinfo(&info));
    CHECK(info.totalram > 0 && info.mem_unit > 0);
    CHECK(info.freeram <= info.totalram);
    CHECK(info.procs > 0);
    struct tms before, after;
    clock_t start = times(&before);
    CHECK(start != (clock_t)-1);
    volatile unsigned spin = 0;
    for (int64_t until = now_ms() + 60; now_ms() < until;) spin++;
    clock_t end = times(&after);
    CHECK(end - start >= 5);
    CHECK(after.tms_utime + after.tms_stime >= before.tms_utime + before.tms_stime);
    struct rusage usage;
    SHOW(getrusage(RUSAGE_SELF, &usage));
    CHECK(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 0);
    CHECK(usage.ru_maxrss > 0);
    SHOW(getrusage(77, &usage));
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    CHECK(sysconf(_SC_PAGESIZE) == 4096);
    CHECK(sysconf(_SC_CLK_TCK) == 100);
    cpu_set_t set;
    SHOW(sched_getaffinity(0, sizeof set, &set));
    CHECK(CPU_COUNT(&set) >= 1);
    CHECK(sched_getcpu() >= 0);
    SHOW(sched_yield());
    return 0;
}
