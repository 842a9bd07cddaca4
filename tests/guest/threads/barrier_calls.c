// membarrier: what it has, and that commands want their registration.
#include "check.h"
int main(void) {
    long has = NEED(syscall(SYS_membarrier, 0, 0, 0));
    CHECK(has & 1), CHECK(has & 8), CHECK(has & 16);
    SHOW(syscall(SYS_membarrier, 1, 0, 0)), SHOW(syscall(SYS_membarrier, 8, 0, 0)), SHOW(syscall(SYS_membarrier, 16, 0, 0));
    SHOW(syscall(SYS_membarrier, 8, 0, 0)), SHOW(syscall(SYS_membarrier, 3, 0, 0)), SHOW(syscall(SYS_membarrier, 0, 1, 0));
    SHOW(syscall(SYS_membarrier, 1 << 20, 0, 0));
    return 0;
}
