// sched_*: policies, priorities, affinity and errors.
#include "check.h"
#include <sched.h>
#include <sys/resource.h>
int main(void) {
    struct sched_param p = {0};
    SHOW(sched_getscheduler(0)), SHOW(sched_getscheduler(4999999)), SHOW(sched_getscheduler(-1));
    SHOW(sched_getparam(0, &p)), SHOW(p.sched_priority), SHOW(sched_getparam(0, NULL)), SHOW(sched_getparam(-1, &p));
    SHOW(sched_get_priority_max(SCHED_OTHER)), SHOW(sched_get_priority_min(SCHED_FIFO)), SHOW(sched_get_priority_max(SCHED_RR));
    SHOW(sched_get_priority_max(SCHED_BATCH)), SHOW(sched_get_priority_min(77));
    p.sched_priority = 1;
    SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p));
    p.sched_priority = 0;
    SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p)), SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p));
    SHOW(syscall(SYS_sched_setscheduler, 0, 55, &p)), SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, NULL));
    SHOW(syscall(SYS_sched_setscheduler, 4999999, SCHED_OTHER, &p));
    struct timespec interval;
    SHOW(sched_rr_get_interval(-1, &interval)), SHOW(sched_rr_get_interval(4999999, &interval));
    SHOW(syscall(SYS_sched_getaffinity, 0, 1, &p)), SHOW(syscall(SYS_sched_getaffinity, 0, 12, &p));
    SHOW(syscall(SYS_sched_getaffinity, 4999999, 128, &p));
    unsigned long none[16] = {0};
    SHOW(syscall(SYS_sched_setaffinity, 0, 128, none));
    none[0] = 1;
    SHOW(syscall(SYS_sched_setaffinity, 0, 128, none)), SHOW(syscall(SYS_sched_setaffinity, 4999999, 128, none));
    unsigned long got[16] = {0};
    SHOW(syscall(SYS_sched_getaffinity, 0, 128, got) > 0), SHOW(got[0]);
    unsigned cpu = 9, node = 9;
    SHOW(syscall(SYS_getcpu, &cpu, &node, NULL)), SHOW(cpu), SHOW(node);
    SHOW(sched_yield());
    return 0;
}
