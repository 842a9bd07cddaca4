// brk beyond what is there, back, again zeroed, beside a mapping, under RLIMIT_DATA. (glibc has its heap there.)
// libc: musl
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>
int main(void) {
    char *start = (char *)syscall(SYS_brk, 0), *page = (char *)(((long)start + 4095) & -4096);
    CHECK((char *)syscall(SYS_brk, page + 8192) == page + 8192);
    page[0] = page[8191] = 'x';
    CHECK((char *)syscall(SYS_brk, page + 4096) == page + 4096), SHOW(page[0]);
    CHECK((char *)syscall(SYS_brk, page + 8192) == page + 8192), SHOW(page[8191]);
    CHECK((char *)syscall(SYS_brk, page + 10) == page + 10), CHECK((char *)syscall(SYS_brk, page + 100) == page + 100), SHOW(page[0]);
    char *wall = mmap(page + 65536, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(wall == page + 65536), CHECK((char *)syscall(SYS_brk, page + 131072) == page + 100);
    CHECK((char *)syscall(SYS_brk, 4096) == page + 100), CHECK((char *)syscall(SYS_brk, -4096L) == page + 100);
    munmap(wall, 4096);
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_DATA, &limit);
    CHECK((char *)syscall(SYS_brk, page + (8 << 20)) == page + 100);
    SHOW(mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(NULL, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    return 0;
}
