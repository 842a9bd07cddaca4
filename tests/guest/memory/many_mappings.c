// Tens of thousands of mappings: each finds its place, the lowest free hole is not missed, and nothing grows with their number.
#include "check.h"
#include <sys/mman.h>
#define COUNT 60000
static char *at[COUNT];
int main(void) {
    int fd = NEED(memfd_create("x", 0));
    NEED(ftruncate(fd, 4096));
    for (int i = 0; i < COUNT; i++) at[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int refused = 0, downwards = 0;
    for (int i = 0; i < COUNT; i++) refused += at[i] == MAP_FAILED;
    for (int i = 1; i < COUNT; i++) downwards += at[i] < at[i - 1];
    printf("refused %d, downwards %d\n", refused, downwards > COUNT - 100);
    // Holes of one and of two pages: a request takes the highest hole that it fits in.
    munmap(at[1000], 4096), munmap(at[2000], 4096), munmap(at[2001], 4096), munmap(at[3000], 4096);
    CHECK(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == at[2001]);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == at[1000]);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == at[3000]);
    for (int i = 0; i < COUNT; i += 2) munmap(at[i], 4096);
    int found = 0;
    for (int i = 0; i < COUNT / 2 - 10; i++) {
        char *place = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        found += place <= at[0] && place >= at[COUNT - 1];
    }
    printf("in holes: %d\n", found >= COUNT / 2 - 20);
    return 0;
}
