// malloc, calloc, realloc and free in a pattern that makes and merges holes.
#include "check.h"
int main(void) {
    unsigned char *blocks[500] = {0};
    size_t sizes[500] = {0};
    uint32_t state = 12345;
    uint64_t sum = 0;
    for (int round = 0; round < 20000; round++) {
        state = state * 1664525 + 1013904223;
        int slot = (state >> 8) % 500;
        size_t size = (state >> 4) % (round % 100 == 0 ? 300000 : 3000) + 1;
        for (size_t i = 0; i < sizes[slot]; i += 97) sum += blocks[slot][i];
        if (round % 3 == 0) {
            free(blocks[slot]);
            blocks[slot] = calloc(1, size);
        } else {
            blocks[slot] = realloc(blocks[slot], size);
        }
        memset(blocks[slot], round, size);
        sizes[slot] = size;
    }
    printf("%lu\n", (unsigned long)sum);
    void *aligned = NULL;
    SHOW(posix_memalign(&aligned, 65536, 100));
    CHECK((uintptr_t)aligned % 65536 == 0);
    volatile size_t huge = SIZE_MAX / 2;
    CHECK(malloc(huge) == NULL && errno == ENOMEM);
    return 0;
}
