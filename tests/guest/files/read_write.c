// read and write: positions, short reads at the end, zero lengths, bad descriptors and bad buffers.
#include "check.h"
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    char bytes[32] = {0};
    SHOW(write(fd, "hello world", 11));
    SHOW(lseek(fd, 6, SEEK_SET));
    SHOW(read(fd, bytes, sizeof bytes));
    puts(bytes);
    SHOW(read(fd, bytes, sizeof bytes));
    SHOW(read(fd, bytes, 0));
    SHOW(write(fd, "", 0));
    SHOW(write(-1, "x", 1));
    SHOW(read(77, bytes, 1));
    SHOW(syscall(SYS_write, fd, 8L, 4));
    SHOW(syscall(SYS_read, fd, 8L, 4));
    lseek(fd, 0, SEEK_SET);
    SHOW(syscall(SYS_read, fd, 8L, 4));
    SHOW(close(fd));
    SHOW(close(fd));
    SHOW(read(fd, bytes, 1));
    unlink("f");
    return 0;
}
