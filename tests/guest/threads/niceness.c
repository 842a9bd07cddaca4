// setpriority and getpriority keep a nice value, within its bounds, per process, inherited by fork.
#include "children.h"
#include <sys/resource.h>
int main(void) {
    // It may have been started with any value.
    SHOW(setpriority(PRIO_PROCESS, 0, 15)), SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(setpriority(PRIO_PROCESS, 0, 16)), SHOW(getpriority(PRIO_PROCESS, 0));
    IN_CHILD("child", SHOW(getpriority(PRIO_PROCESS, 0)); SHOW(nice(2)));
    SHOW(setpriority(PRIO_PROCESS, 0, 100)), SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(getpriority(9, 0)), SHOW(getpriority(PRIO_PROCESS, 4999999)), SHOW(setpriority(9, 0, 0)), SHOW(setpriority(PRIO_PROCESS, 4999999, 1));
    SHOW(getpriority(PRIO_PGRP, 4999999)), SHOW(getpriority(PRIO_USER, 77777));
    SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    return 0;
}
