// MADV_DONTNEED gives zeros again; other advice is taken; bad ranges are not.
#include "check.h"
#include <sys/mman.h>
int main(void) {
    char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 3, 8 * 4096);
    SHOW(madvise(p + 4096, 2 * 4096, MADV_DONTNEED));
    printf("%d %d %d %d\n", p[4095], p[4096], p[3 * 4096 - 1], p[3 * 4096]);
    SHOW(madvise(p, 4096, MADV_WILLNEED));
    SHOW(madvise(p, 4096, MADV_NORMAL));
    SHOW(madvise(p, 4096, MADV_RANDOM));
    SHOW(madvise(p, 4096, MADV_SEQUENTIAL));
    SHOW(madvise(p, 4096, MADV_FREE));
    SHOW(madvise(p, 4096, MADV_WIPEONFORK));
    SHOW(madvise(p + 1, 4096, MADV_DONTNEED));
    SHOW(madvise(p, 4096, 7777));
    SHOW(madvise(p, 0, MADV_DONTNEED));
    munmap(p + 4096, 4096);
    SHOW(madvise(p, 3 * 4096, MADV_DONTNEED));
    printf("%d %d\n", p[0], p[2 * 4096]);
    return 0;
}
