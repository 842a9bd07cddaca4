// MAP_FIXED replaces what is there, MAP_FIXED_NOREPLACE refuses to; hints are hints.
#include "check.h"
#include <sys/mman.h>
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
int main(void) {
    char *a = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, ANON, -1, 0);
    memset(a, 5, 5 * 4096);
    char *b = mmap(a + 4096, 4096, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
    CHECK(b == a + 4096);
    printf("%d %d %d\n", a[4095], a[4096], a[8192]);
    CHECK(mmap(a, 4096, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    CHECK(mmap(a + 1, 4096, PROT_READ, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
    munmap(a + 3 * 4096, 4096);
    CHECK(mmap(a + 3 * 4096, 4096, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == a + 3 * 4096);
    CHECK(mmap(a, 4096, PROT_READ, ANON, -1, 0) != a);
    munmap(a + 4096, 4096);
    CHECK(mmap(a + 4096, 4096, PROT_READ, ANON, -1, 0) == a + 4096);
    CHECK(mmap((void *)0x10000000, 4096, PROT_READ, ANON, -1, 0) == (void *)0x10000000);
    return 0;
}
