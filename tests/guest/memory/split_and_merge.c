// Protection changes at page grain split mappings, and neighbours that are alike count as one in /proc/self/maps.
// libc: musl
#include "check.h"
#include <sys/mman.h>
static void lines(char *from, size_t size) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char mode[8];
        sscanf(line, "%lx-%lx %7s", &start, &end, mode);
        if (start >= (unsigned long)from && end <= (unsigned long)from + size) printf("  +%ld %ld %s\n", (start - (long)from) / 4096, (end - start) / 4096, mode);
    }
    fclose(maps);
}
int main(void) {
    char *area = mmap(NULL, 20 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p = area + 4096;
    size_t size = 18 * 4096;
    mprotect(p, size, PROT_READ | PROT_WRITE), printf("all\n"), lines(p, size);
    mprotect(p + 3 * 4096, 4096, PROT_READ), printf("hole\n"), lines(p, size);
    mprotect(p + 4 * 4096, 4 * 4096, PROT_READ), printf("wider\n"), lines(p, size);
    mprotect(p + 3 * 4096, 5 * 4096, PROT_READ | PROT_WRITE), printf("back\n"), lines(p, size);
    munmap(p + 5 * 4096, 2 * 4096), printf("cut\n"), lines(p, size);
    mmap(p + 5 * 4096, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), printf("filled\n"), lines(p, size);
    mmap(p + 8 * 4096, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0), printf("shared\n"), lines(p, size);
    for (int i = 0; i < 18; i += 2) mprotect(p + i * 4096, 4096, PROT_READ);
    printf("stripes\n"), lines(p, size);
    return 0;
}
