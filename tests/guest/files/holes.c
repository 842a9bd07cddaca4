// Sparse files: what was never written reads as zeros, fallocate gives and takes away.
#include "check.h"
#ifndef FALLOC_FL_ZERO_RANGE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#define FALLOC_FL_ZERO_RANGE 16
#endif
static void show(int fd) {
    struct stat st;
    fstat(fd, &st);
    printf("size %ld:", (long)st.st_size);
    char buffer[65536] = {0};
    ssize_t n = pread(fd, buffer, sizeof buffer, 0);
    for (ssize_t at = 0; at < n; at++)
        if (buffer[at]) { ssize_t s = at; while (at < n && buffer[at] == buffer[s]) at++; printf(" %zd-%zd %c", s, at, buffer[s]); at--; }
    puts("");
}
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    SHOW(pwrite(fd, "end", 3, 40000));
    show(fd);
    char block[8192];
    memset(block, 'b', sizeof block);
    SHOW(pwrite(fd, block, sizeof block, 10000));
    show(fd);
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 12000, 3000));
    show(fd);
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 12000, 3000));
    SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE, 39000, 2000));
    show(fd);
    SHOW(fallocate(fd, 0, 41000, 2000));
    show(fd);
    SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 50000, 2000));
    show(fd);
    SHOW(fallocate(fd, 0, 0, 0));
    SHOW(fallocate(fd, 0, -1, 10));
    SHOW(posix_fallocate(fd, 0, 60000));
    show(fd);
    SHOW(ftruncate(fd, 11000));
    SHOW(ftruncate(fd, 20000));
    show(fd);
    int ro = NEED(open("f", O_RDONLY));
    SHOW(fallocate(ro, 0, 0, 10));
    int p[2];
    NEED(pipe(p));
    SHOW(fallocate(p[1], 0, 0, 10));
    unlink("f");
    return 0;
}
