// prlimit of each resource, of others, raising, unlimited, and inheritance.
// libc: glibc
#include "children.h"
#include <sys/resource.h>
int main(void) {
    struct rlimit l, low = {5, 10}, high = {RLIM_INFINITY, RLIM_INFINITY};
    for (int r = 0; r < 17; r++) printf("%d: %s\n", r, getrlimit(r, &l) ? error_name(errno) : "ok");
    SHOW(prlimit(4999999, RLIMIT_CORE, NULL, &l)), SHOW(prlimit(0, RLIMIT_CORE, &low, NULL)), SHOW(getrlimit(RLIMIT_CORE, &l)), printf("%ld %ld\n", (long)l.rlim_cur, (long)l.rlim_max), SHOW(syscall(SYS_prlimit64, 0, RLIMIT_CORE, 8, 0)), SHOW(syscall(SYS_prlimit64, 0, RLIMIT_CORE, 0, 8)), SHOW(syscall(SYS_getrlimit, RLIMIT_CORE, 8));
    IN_CHILD("child", getrlimit(RLIMIT_CORE, &l); printf("%ld %ld\n", (long)l.rlim_cur, (long)l.rlim_max); setresuid(5, 5, 5); SHOW(setrlimit(RLIMIT_CORE, &high)); low.rlim_cur = 10; SHOW(setrlimit(RLIMIT_CORE, &low)); SHOW(prlimit(getppid(), RLIMIT_CORE, NULL, &l)));
    return 0;
}
