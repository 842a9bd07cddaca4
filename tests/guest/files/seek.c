// lseek from all three origins, past the end, before the start, and over holes.
#include "check.h"
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    NEED(write(fd, "0123456789", 10));
    SHOW(lseek(fd, 3, SEEK_SET));
    SHOW(lseek(fd, 3, SEEK_CUR));
    SHOW(lseek(fd, -4, SEEK_END));
    SHOW(lseek(fd, -40, SEEK_END));
    SHOW(lseek(fd, -1, SEEK_SET));
    SHOW(lseek(fd, 0, 9));
    SHOW(lseek(fd, 20000, SEEK_SET));
    SHOW(write(fd, "end", 3));
    SHOW(lseek(fd, 0, SEEK_END));
    char bytes[4] = {1, 1, 1, 1};
    SHOW(pread(fd, bytes, 4, 15000));
    printf("%d %d %d %d\n", bytes[0], bytes[1], bytes[2], bytes[3]);
    SHOW(lseek(fd, 30000, SEEK_DATA));
    SHOW(lseek(fd, 5, SEEK_DATA));
    SHOW(lseek(0x7777, 0, SEEK_SET));
    int pair[2];
    NEED(pipe(pair));
    SHOW(lseek(pair[0], 0, SEEK_CUR));
    unlink("f");
    return 0;
}
