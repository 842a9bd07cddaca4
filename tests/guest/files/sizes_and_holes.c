// SEEK_HOLE and SEEK_DATA, fallocate's modes, truncation beyond the end, and their errors.
// libc: musl
#include "check.h"
#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#endif
#ifndef FALLOC_FL_ZERO_RANGE
#define FALLOC_FL_ZERO_RANGE 16
#endif
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644)), rd = NEED(open("f", O_RDONLY)), pair[2], dir = NEED(open(".", O_RDONLY));
    NEED(pipe(pair));
    char b[16] = {0};
    pwrite(fd, "data", 4, 0), pwrite(fd, "more", 4, 1 << 20);
    SHOW(lseek(fd, 0, SEEK_DATA)), SHOW(lseek(fd, 1 << 19, SEEK_DATA)), SHOW(lseek(fd, (1 << 20) + 1, SEEK_HOLE)), SHOW(lseek(fd, (1 << 20) + 4, SEEK_DATA)), SHOW(lseek(fd, (1 << 20) + 4, SEEK_HOLE)), SHOW(lseek(fd, -1, SEEK_HOLE)), SHOW(lseek(fd, 0, 9)), SHOW(lseek(fd, -5, SEEK_CUR)), SHOW(lseek(pair[0], 0, SEEK_SET));
    SHOW(fallocate(fd, 0, 0, 2 << 20)), SHOW(lseek(fd, 0, SEEK_END)), SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 4 << 20, 4096)), SHOW(lseek(fd, 0, SEEK_END)), SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)), SHOW(pread(fd, b, 4, 0)), SHOW(b[0]), SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096)), SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE, 1 << 20, 2)), SHOW(pread(fd, b, 4, 1 << 20)), SHOW(b[0]), SHOW(b[2]);
    SHOW(fallocate(fd, 0, -1, 10)), SHOW(fallocate(fd, 0, 0, 0)), SHOW(fallocate(fd, 0, 0, -1)), SHOW(fallocate(rd, 0, 0, 10)), SHOW(fallocate(pair[1], 0, 0, 10)), SHOW(fallocate(dir, 0, 0, 10)), SHOW(fallocate(99, 0, 0, 10)), SHOW(fallocate(fd, 0x4000, 0, 10)), SHOW(posix_fallocate(fd, 0, 3 << 20)), SHOW(lseek(fd, 0, SEEK_END));
    SHOW(ftruncate(fd, -1)), SHOW(ftruncate(rd, 5)), SHOW(truncate("f", 1L << 40)), SHOW(lseek(fd, 0, SEEK_END)), SHOW(truncate("f", 0)), SHOW(truncate(".", 0)), SHOW(truncate("none", 0)), SHOW(ftruncate(pair[0], 0)), SHOW(pwrite(fd, "x", 1, -1)), SHOW(pread(fd, b, 1, -1)), SHOW(pread(pair[0], b, 1, 0)), SHOW(pwrite(fd, "x", 1, 0x7fffffffffffffff));
    unlink("f");
    return 0;
}
