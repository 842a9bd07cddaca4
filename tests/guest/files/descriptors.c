// dup, dup2, dup3 and F_DUPFD share the position; the lowest free number is used.
#include "check.h"
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    int fd = open("f", O_RDONLY);
    SHOW(fd);
    SHOW(dup(fd));
    char c = 0;
    SHOW(read(4, &c, 1));
    SHOW(read(3, &c, 1));
    printf("%c\n", c);
    SHOW(dup2(3, 10));
    SHOW(dup2(3, 3));
    SHOW(dup2(77, 5));
    SHOW(dup2(3, -1));
    SHOW(dup3(3, 3, 0));
    SHOW(dup3(3, 11, O_CLOEXEC));
    SHOW(fcntl(11, F_GETFD));
    SHOW(fcntl(10, F_GETFD));
    SHOW(dup3(3, 12, 0x40000000));
    SHOW(fcntl(3, F_DUPFD, 20));
    SHOW(fcntl(3, F_DUPFD_CLOEXEC, 20));
    SHOW(fcntl(21, F_GETFD));
    SHOW(fcntl(3, F_DUPFD, -1));
    SHOW(close(4));
    SHOW(open("f", O_RDONLY));
    SHOW(dup(77));
    SHOW(syscall(SYS_close_range, 10, 21, 0));
    SHOW(fcntl(20, F_GETFD));
    SHOW(syscall(SYS_close_range, 9, 8, 0));
    unlink("f");
    return 0;
}
