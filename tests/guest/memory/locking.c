// mlock, mincore and the membarrier that runtimes ask for.
#include "check.h"
#include <sys/mman.h>
int main(void) {
    char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW(mlock(p, 4096));
    SHOW(munlock(p, 4096));
    p[0] = p[4096] = 1;
    unsigned char resident[4] = {0};
    SHOW(mincore(p, 2 * 4096, resident));
    printf("%d %d\n", resident[0] & 1, resident[1] & 1);
    SHOW(mincore(p + 1, 4096, resident));
    munmap(p, 4 * 4096);
    SHOW(mincore(p, 4096, resident));
    return 0;
}
