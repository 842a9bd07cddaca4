// Gigabytes that are reserved and not touched cost nothing; parts of them can be used.
#include "check.h"
#include <sys/mman.h>
int main(void) {
    size_t size = 64UL << 30;
    char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    for (int i = 0; i < 16; i++) {
        char *part = p + ((uint64_t)i << 32);
        if (mprotect(part, 65536, PROT_READ | PROT_WRITE)) return 1;
        memset(part, i, 65536);
    }
    int right = 1;
    for (int i = 0; i < 16; i++) right &= p[((uint64_t)i << 32) + 65535] == i;
    CHECK(right);
    SHOW(munmap(p, size));
    p = mmap(NULL, 8UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    p[7UL << 30] = 1;
    CHECK(p[7UL << 30] == 1);
    return 0;
}
