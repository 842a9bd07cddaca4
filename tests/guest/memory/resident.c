// mincore tells what is there; mlock brings it; errors of both.
// libc: glibc
#include "check.h"
#include <sys/mman.h>
int main(void) {
    // A small mapping may be filled in when it is made: only of a large one is it known what is not there.
    long size = 8 << 20;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char in[8], all[2048];
    madvise(p, size, MADV_NOHUGEPAGE);
    SHOW(mincore(p, size, all));
    int there = 0;
    for (int i = 0; i < 2048; i++) there += all[i] & 1;
    SHOW(there < 2048);
    p[0] = p[1024 * 4096] = 1, SHOW(mincore(p, size, all)), SHOW(all[0] & 1), SHOW(all[1024] & 1), SHOW(all[700] & 1);
    SHOW(mlock(p + 512 * 4096, 4096)), mincore(p, size, all), SHOW(all[512] & 1);
    SHOW(mincore(p + 1, 4096, in)), SHOW(mincore(p, 4096, (void *)8)), munmap(p + 4096, 4096), SHOW(mincore(p, 8 * 4096, in));
    SHOW(mlock(p, 8 * 4096)), SHOW(munlock(p, 4096)), SHOW(munlock(p, 8 * 4096)), SHOW(mlockall(0)), SHOW(mlockall(8)), SHOW(mlockall(MCL_FUTURE)), SHOW(munlockall());
    SHOW(syscall(SYS_mlock2, p, 4096, 1)), SHOW(syscall(SYS_mlock2, p, 4096, 2));
    return 0;
}
