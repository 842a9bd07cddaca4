// close_range: closing, CLOEXEC, unsharing, bounds.
// libc: musl
#include "check.h"
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_UNSHARE 2
#define CLOSE_RANGE_CLOEXEC 4
#endif
static long cr(unsigned a, unsigned b, int f) { return syscall(436, a, b, f); }
int main(void) {
    for (int fd = 10; fd < 20; fd++) dup2(0, fd);
    SHOW(cr(12, 14, 0)), SHOW(cr(16, 17, CLOSE_RANGE_CLOEXEC));
    for (int fd = 10; fd < 20; fd++) printf("%d %d\n", fd, fcntl(fd, F_GETFD));
    SHOW(cr(18, -1, CLOSE_RANGE_UNSHARE)), SHOW(fcntl(18, F_GETFD)), SHOW(cr(5, 4, 0)), SHOW(cr(10, 10, 64)), SHOW(cr(1000, 2000, 0)), SHOW(close(12)), SHOW(close(-1)), SHOW(dup2(10, 10)), SHOW(dup2(99, 99)), SHOW(dup3(10, 10, 0)), SHOW(dup3(10, 11, 5)), SHOW(dup2(10, -1));
    return 0;
}
