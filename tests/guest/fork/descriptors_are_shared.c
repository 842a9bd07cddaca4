// A forked child has the same open files: one offset for both, but a table of its own.
// libc: musl
#include "children.h"
int main(void) {
    enter_scratch();
    put_file("f", "abcdefghij");
    int fd = NEED(open("f", O_RDWR));
    char byte;
    IN_CHILD("reader", SHOW(read(fd, &byte, 1)); SHOW(lseek(fd, 3, SEEK_CUR)); close(fd); SHOW(read(fd, &byte, 1)));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(read(fd, &byte, 1));
    printf("%c\n", byte);
    IN_CHILD("flags", SHOW(fcntl(fd, F_SETFL, O_APPEND)); SHOW(fcntl(fd, F_SETFD, FD_CLOEXEC)));
    CHECK(fcntl(fd, F_GETFL) & O_APPEND);
    SHOW(fcntl(fd, F_GETFD));
    IN_CHILD("writer", SHOW(write(fd, "XY", 2)));
    SHOW(lseek(fd, 0, SEEK_CUR));
    show_file("f");
    unlink("f");
    return 0;
}
