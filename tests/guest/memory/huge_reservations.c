// Reservations of 64 GiB, without access and with NORESERVE, used in single places.
// libc: glibc
#include "check.h"
#include <sys/mman.h>
int main(void) {
    size_t size = 64UL << 30;
    char *none = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(none != MAP_FAILED);
    char *lazy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(lazy != MAP_FAILED);
    for (size_t at = 0; at < size; at += 4UL << 30) lazy[at] = at >> 30, mprotect(none + at, 4096, PROT_READ | PROT_WRITE), none[at] = 1;
    long sum = 0;
    for (size_t at = 0; at < size; at += 4UL << 30) sum += lazy[at] + lazy[at + 12345] + none[at];
    SHOW(sum);
    SHOW(madvise(lazy, size, MADV_DONTNEED)), SHOW(lazy[8UL << 30]);
    SHOW(munmap(none + (1UL << 30), size - (1UL << 30))), SHOW(none[0]);
    SHOW(munmap(lazy, size));
    return 0;
}
