// What is locked is counted, within RLIMIT_MEMLOCK, and not to be given back.
#include "children.h"
#include <sys/mman.h>
#include <sys/resource.h>
static long locked_kb(void) {
    char line[256];
    long kb = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file)) sscanf(line, "VmLck: %ld", &kb);
    fclose(file);
    return kb;
}
static void limit(long bytes) {
    struct rlimit limits = {bytes, 1 << 20};
    NEED(setrlimit(RLIMIT_MEMLOCK, &limits));
}
static char *map(long bytes, int flags) { return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0); }
int main(void) {
    limit(1 << 20);
    NEED(setresgid(65534, 65534, 65534)), NEED(setresuid(65534, 65534, 65534));
    char *p = map(64 << 10, 0);
    SHOW(mlock(p, 4096)), SHOW(locked_kb()), SHOW(mlock(p + 100, 4096)), SHOW(locked_kb()), SHOW(mlock(p, 8192)), SHOW(locked_kb());
    SHOW(munlock(p, 1)), SHOW(locked_kb()), SHOW(munlock(p, 64 << 10)), SHOW(locked_kb());
    // Of a range without a page, within a mapping.
    SHOW(mlock(p, 0)), SHOW(mlock(p + 4096, 0)), SHOW(munlock(p + 8192, 0)), SHOW(madvise(p + 4096, 0, MADV_DONTFORK)), SHOW(madvise(p + 4096, 0, MADV_DOFORK));
    SHOW(mlock((void *)4096, 4096)), SHOW(mlock(p, -1)), SHOW(munlock((void *)4096, 4096));
    // A hole ends it, and what is before stays locked.
    munmap(p + 16384, 4096);
    SHOW(mlock(p, 32768)), SHOW(locked_kb()), SHOW(munlock(p, 32768)), SHOW(locked_kb()), SHOW(munlock(p, 16384)), SHOW(locked_kb());
    // What may not be looked at is locked, and cannot be brought in.
    mprotect(p, 4096, PROT_NONE);
    SHOW(mlock(p, 4096)), SHOW(locked_kb()), SHOW(munlock(p, 4096)), mprotect(p, 4096, PROT_READ | PROT_WRITE);
    // Beyond the limit.
    limit(16 << 10);
    SHOW(mlock(p, 16384)), SHOW(mlock(p, 16384)), SHOW(mlock(p + 20480, 4096)), SHOW(locked_kb());
    CHECK(map(4096, MAP_LOCKED) == MAP_FAILED), puts(error_name(errno));
    CHECK(mremap(p, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED), puts(error_name(errno));
    SHOW(mlockall(MCL_CURRENT));
    limit(0);
    SHOW(mlock(p, 4096)), SHOW(munlock(p, 4096)), SHOW(mlockall(MCL_FUTURE)), SHOW(mlock(p, 0));
    CHECK(map(4096, MAP_LOCKED) == MAP_FAILED), puts(error_name(errno));
    limit(1 << 20);
    SHOW(munlockall()), SHOW(locked_kb());
    // It is not given back, and not inherited.
    char *q = map(16384, MAP_LOCKED);
    memset(q, 7, 16384);
    SHOW(locked_kb()), SHOW(madvise(q, 4096, MADV_DONTNEED)), SHOW(madvise(q, 4096, MADV_FREE)), SHOW(q[0]), SHOW(madvise(q, 4096, 24)), SHOW(q[0]), SHOW(q[4096]);
    SHOW(msync(q, 4096, MS_SYNC | MS_INVALIDATE)), SHOW(msync(q, 4096, MS_SYNC));
    IN_CHILD("child", SHOW(locked_kb()), SHOW(q[4096]));
    q = mremap(q, 16384, 32768, MREMAP_MAYMOVE);
    SHOW(locked_kb()), munmap(q, 8192), SHOW(locked_kb());
    SHOW(mlock2(q + 8192, 4096, MLOCK_ONFAULT)), SHOW(mlock2(q, 4096, 2)), SHOW(munlockall()), SHOW(locked_kb());
    SHOW(mlockall(0)), SHOW(mlockall(8)), SHOW(mlockall(MCL_ONFAULT)), SHOW(mlockall(MCL_FUTURE));
    long before = locked_kb();
    q = map(8192, 0);
    SHOW(locked_kb() - before), CHECK(map(2 << 20, 0) == MAP_FAILED), puts(error_name(errno));
    SHOW(munlockall()), SHOW(locked_kb());
    return 0;
}
