// POSIX locks: splitting, upgrading, waiting, deadlock, other owners, closing, F_OFD with processes.
// libc: glibc
#include "asleep.h"
#include "children.h"
static int set(int fd, int how, int type, long start, long len) {
    struct flock l = {.l_type = type, .l_start = start, .l_len = len};
    return fcntl(fd, how, &l);
}
static void ask(int fd, long start, long len) {
    struct flock l = {.l_type = F_WRLCK, .l_start = start, .l_len = len};
    int r = fcntl(fd, F_GETLK, &l);
    printf("%ld+%ld: %d %s %ld+%ld\n", start, len, r, l.l_type == F_UNLCK ? "free" : l.l_type == F_RDLCK ? "read" : "write", (long)l.l_start, (long)l.l_len);
}
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    int fd = NEED(open("f", O_RDWR)), rd = NEED(open("f", O_RDONLY)), wr = NEED(open("f", O_WRONLY));
    SHOW(set(fd, F_SETLK, F_WRLCK, 0, 10)), SHOW(set(fd, F_SETLK, F_UNLCK, 3, 2)), SHOW(set(fd, F_SETLK, F_RDLCK, 7, 2));
    IN_CHILD("other", ask(fd, 0, 0); ask(fd, 3, 2); ask(fd, 5, 1); ask(fd, 7, 1); ask(fd, 9, 5); SHOW(set(fd, F_SETLK, F_RDLCK, 7, 2)); SHOW(set(fd, F_SETLK, F_WRLCK, 4, 2)));
    SHOW(set(rd, F_SETLK, F_WRLCK, 50, 1)), SHOW(set(wr, F_SETLK, F_RDLCK, 50, 1)), SHOW(set(fd, F_SETLK, 9, 0, 1)), SHOW(set(fd, F_SETLK, F_WRLCK, -5, 1)), SHOW(set(fd, F_SETLK, F_WRLCK, 10, -5)), SHOW(set(fd, F_SETLK, F_WRLCK, 3, -5)), SHOW(set(99, F_SETLK, F_WRLCK, 0, 1));
    int up[2], down[2];
    NEED(pipe(up)), NEED(pipe(down));
    set(fd, F_SETLK, F_UNLCK, 0, 0), set(fd, F_SETLK, F_WRLCK, 0, 1);
    pid_t pid = NEED(fork());
    if (pid == 0) {
        set(fd, F_SETLK, F_WRLCK, 1, 1), write(up[1], "x", 1);
        _exit(set(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : errno == EDEADLK ? 1 : 2);
    }
    await_byte(up[0]), await_asleep(pid);
    SHOW(set(fd, F_SETLKW, F_WRLCK, 1, 1)), SHOW(set(fd, F_SETLK, F_UNLCK, 0, 1));
    int status;
    waitpid(pid, &status, 0), show_end("waiter", status);
    SHOW(set(fd, F_SETLKW, F_WRLCK, 1, 1)), close(rd);
    IN_CHILD("after close", SHOW(set(fd, F_SETLK, F_WRLCK, 1, 1)));
    unlink("f");
    return 0;
}
