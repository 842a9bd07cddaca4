// What /proc/self/maps says of mappings: kinds, offsets, paths, deleted files, heap and stack.
// libc: musl
#include "check.h"
#include <sys/mman.h>
static void line_of(const char *what, void *address) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end, offset;
        int at = 0;
        char mode[8];
        sscanf(line, "%lx-%lx %7s %lx %*s %*d %n", &start, &end, mode, &offset, &at);
        if ((unsigned long)address >= start && (unsigned long)address < end) {
            char *base = strrchr(line + at, '/');
            printf("%s: %s %lx %s", what, mode, offset, at ? base ? base : line + at : "\n");
        }
    }
    fclose(maps);
}
int main(void) {
    enter_scratch();
    put_file("f", "x"), put_file("gone", "x");
    int fd = NEED(open("f", O_RDWR)), gone = NEED(open("gone", O_RDWR)), mem = NEED(memfd_create("mem", 0)), local;
    ftruncate(fd, 8192), ftruncate(mem, 4096);
    line_of("private file", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 4096)), line_of("shared file", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    void *deleted = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, gone, 0);
    unlink("gone"), line_of("deleted", deleted), line_of("memfd", mmap(NULL, 4096, PROT_READ, MAP_SHARED, mem, 0)), line_of("stack", &local);
    sbrk(4096), line_of("heap", (char *)sbrk(0) - 100);
    unlink("f");
    return 0;
}
