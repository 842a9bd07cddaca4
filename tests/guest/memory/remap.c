// mremap grows, shrinks and moves, and the bytes come along.
#include "check.h"
#include <sys/mman.h>
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
int main(void) {
    char *a = mmap(NULL, 4 * 4096, RW, ANON, -1, 0);
    for (int i = 0; i < 4; i++) a[i * 4096] = 'a' + i;
    CHECK(mremap(a, 4 * 4096, 2 * 4096, 0) == a);
    printf("%c%c\n", a[0], a[4096]);
    char *wall = mmap(a + 2 * 4096, 4096, RW, ANON | MAP_FIXED, -1, 0);
    wall[0] = 'w';
    CHECK(mremap(a, 2 * 4096, 4 * 4096, 0) == MAP_FAILED && errno == ENOMEM);
    char *b = mremap(a, 2 * 4096, 1000 * 4096, MREMAP_MAYMOVE);
    CHECK(b != MAP_FAILED && b != a);
    printf("%c%c%d\n", b[0], b[4096], b[999 * 4096]);
    printf("%c\n", wall[0]);
    char *place = mmap(NULL, 4 * 4096, PROT_NONE, ANON, -1, 0);
    CHECK(mremap(b, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    printf("%c\n", place[0]);
    CHECK(mremap(b + 1, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
    CHECK(mremap(b, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
    CHECK(mremap(place, 4096, 0, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
    return 0;
}
