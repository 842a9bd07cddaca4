// A shared file mapping and the file are the same bytes, both ways and across two mappings.
#include "check.h"
#include <sys/mman.h>
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    NEED(ftruncate(fd, 8192));
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
    CHECK(p != MAP_FAILED && q != MAP_FAILED);
    strcpy(p, "from memory");
    char bytes[16] = {0};
    SHOW(pread(fd, bytes, 11, 0));
    puts(bytes);
    SHOW(pwrite(fd, "from file", 9, 4096));
    puts(p + 4096);
    puts(q);
    p[4096] = 'F';
    puts(q);
    SHOW(msync(p, 8192, MS_SYNC));
    SHOW(msync(p, 8192, 0x77));
    SHOW(munmap(p, 8192));
    puts(q);
    SHOW(pread(fd, bytes, 11, 0));
    puts(bytes);
    unlink("f");
    return 0;
}
