// What mmap, munmap, mprotect and mremap refuse.
// libc: glibc
#include "check.h"
#include <sys/mman.h>
#define MAP(...) ((long)mmap(__VA_ARGS__) == -1 ? -1L : 0L)
int main(void) {
    enter_scratch();
    put_file("f", "text");
    int rd = NEED(open("f", O_RDONLY)), wr = NEED(open("f", O_WRONLY)), dir = NEED(open(".", O_RDONLY)), path = NEED(open("f", O_PATH)), pair[2];
    NEED(pipe(pair));
    int A = MAP_PRIVATE | MAP_ANONYMOUS, RW = PROT_READ | PROT_WRITE;
    SHOW(MAP(NULL, 0, RW, A, -1, 0)), SHOW(MAP(NULL, 4096, RW, MAP_ANONYMOUS, -1, 0)), SHOW(MAP(NULL, 4096, RW, MAP_PRIVATE, -1, 0));
    SHOW(MAP(NULL, 4096, RW, MAP_PRIVATE, 99, 0)), SHOW(MAP(NULL, 4096, PROT_READ, MAP_PRIVATE, rd, 100)), SHOW(MAP(NULL, 4096, RW, MAP_SHARED, rd, 0));
    SHOW(MAP(NULL, 4096, PROT_READ, MAP_SHARED, wr, 0)), SHOW(MAP(NULL, 4096, RW, MAP_PRIVATE, rd, 0)), SHOW(MAP(NULL, 4096, PROT_READ, MAP_PRIVATE, wr, 0));
    SHOW(MAP(NULL, 4096, PROT_READ, MAP_PRIVATE, dir, 0)), SHOW(MAP(NULL, 4096, PROT_READ, MAP_PRIVATE, path, 0)), SHOW(MAP(NULL, 4096, PROT_READ, MAP_PRIVATE, pair[0], 0));
    SHOW(MAP((void *)100, 4096, RW, A | MAP_FIXED, -1, 0)), SHOW(MAP((void *)0x7ffffffff000, 8192, RW, A | MAP_FIXED, -1, 0)), SHOW(MAP(NULL, 1UL << 60, RW, A, -1, 0));
    SHOW(MAP(NULL, -4096UL, RW, A, -1, 0)), SHOW(MAP(NULL, 4096, PROT_READ, MAP_PRIVATE, rd, -4096)), SHOW(MAP(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x4000000, rd, 0));
    char *p = mmap(NULL, 16384, RW, A, -1, 0);
    SHOW(MAP(p, 4096, RW, A | MAP_FIXED_NOREPLACE, -1, 0)), SHOW(munmap(p + 1, 4096)), SHOW(munmap(p, 0)), SHOW(munmap((void *)(1UL << 60), 4096));
    SHOW(mprotect(p + 1, 4096, RW)), SHOW(mprotect(p, 4096, 0x77)), SHOW(mprotect(p, 0, PROT_NONE)), SHOW(munmap(p + 4096, 4096));
    SHOW(mprotect(p, 16384, PROT_READ)), SHOW(munmap(p + 4096, 4096)), SHOW(munmap(p, 16384));
    p = mmap(NULL, 16384, RW, A, -1, 0), munmap(p + 8192, 4096);
    SHOW(mremap(p, 16384, 32768, 0) == MAP_FAILED ? -1 : 0), SHOW(mremap(p, 16384, 32768, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    SHOW(mremap(p + 1, 4096, 8192, 0) == MAP_FAILED ? -1 : 0), SHOW(mremap(p, 4096, 0, 0) == MAP_FAILED ? -1 : 0), SHOW(mremap(p, 4096, 4096, 64) == MAP_FAILED ? -1 : 0);
    SHOW(mremap(p, 0, 4096, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0), SHOW(mremap(p, 8192, 8192, MREMAP_FIXED, p + 12288) == MAP_FAILED ? -1 : 0);
    SHOW(mremap(p, 8192, 8192, MREMAP_FIXED | MREMAP_MAYMOVE, p + 4096) == MAP_FAILED ? -1 : 0), SHOW(mremap(p, 4096, 8192, 0) == MAP_FAILED ? -1 : 0);
    unlink("f");
    return 0;
}
