// System calls with buffers of many pages, unaligned, over fresh, copied and file pages.
// libc: glibc
#include "children.h"
#include <sys/mman.h>
int main(void) {
    enter_scratch();
    size_t size = 3 << 20;
    char *a = mmap(NULL, size + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *b = mmap(NULL, size + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < size; i++) a[i + 77] = i * 31 >> 3;
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    SHOW(write(fd, a + 77, size)), SHOW(pread(fd, b + 1234, size, 0)), SHOW(memcmp(a + 77, b + 1234, size));
    IN_CHILD("copied pages", memset(b, 0, size); SHOW(pread(fd, b + 5, size, 0)); SHOW(memcmp(a + 77, b + 5, size)); SHOW(pread(fd, a + 78, size, 0)); SHOW(memcmp(a + 78, b + 5, size)));
    SHOW(memcmp(a + 77, b + 1234, size));
    char *file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    SHOW(pwrite(fd, file + 4096, size - 4096, 0)), SHOW(memcmp(a + 77 + 4096, b + 1234 + 4096, size - 4096)), SHOW(file[0] == a[77 + 4096]);
    unlink("f");
    return 0;
}
