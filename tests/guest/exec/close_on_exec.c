// Which descriptors survive: O_CLOEXEC, F_SETFD, dup3, F_DUPFD_CLOEXEC, pipe2, and what an inherited one still knows.
// libc: glibc
#include "children.h"
int main(int argc, char **argv) {
    if (argc > 1) {
        for (int fd = 10; fd < 20; fd++) printf("%d: %s\n", fd, fcntl(fd, F_GETFD) == -1 ? error_name(errno) : "open");
        char bytes[8] = {0};
        SHOW(read(11, bytes, 3));
        printf("%s\n", bytes);
        return 0;
    }
    enter_scratch();
    put_file("f", "abcdefgh");
    int fd = NEED(open("f", O_RDONLY)), closing = NEED(open("f", O_RDONLY | O_CLOEXEC)), pair[2];
    lseek(fd, 2, SEEK_SET);
    NEED(pipe2(pair, O_CLOEXEC));
    dup2(closing, 10), dup2(fd, 11), dup3(fd, 12, O_CLOEXEC), dup2(fd, 13), fcntl(13, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_DUPFD, 14), fcntl(fd, F_DUPFD_CLOEXEC, 15), dup2(pair[0], 16), dup3(closing, 17, 0);
    SHOW(fcntl(10, F_GETFD)), SHOW(fcntl(12, F_GETFD)), SHOW(fcntl(15, F_GETFD)), SHOW(fcntl(closing, F_GETFD));
    char *args[] = {"x", "inner", NULL}, *env[] = {NULL};
    IN_CHILD("exec", execve("/proc/self/exe", args, env));
    SHOW(lseek(fd, 0, SEEK_CUR));
    unlink("f");
    return 0;
}
