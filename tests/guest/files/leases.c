// Leases, F_NOTIFY and signals for descriptors: what fcntl answers.
// libc: musl
#include "check.h"
int main(void) {
    enter_scratch();
    put_file("f", "x");
    int fd = NEED(open("f", O_RDONLY)), pair[2], size = 0;
    NEED(pipe(pair));
    SHOW(fcntl(fd, F_GETLEASE)), SHOW(fcntl(pair[0], F_SETLEASE, F_RDLCK)), SHOW(fcntl(fd, F_SETLEASE, 77));
    SHOW(fcntl(pair[0], F_GETPIPE_SZ)), SHOW(fcntl(pair[0], F_SETPIPE_SZ, 5000)), SHOW(fcntl(pair[0], F_SETPIPE_SZ, 1 << 20)), SHOW(fcntl(fd, F_GETPIPE_SZ)), SHOW(fcntl(pair[0], F_SETPIPE_SZ, 0));
    SHOW(fcntl(fd, 4711)), SHOW(fcntl(99, F_GETFL)), SHOW(fcntl(fd, F_DUPFD, -1)), SHOW(fcntl(fd, F_DUPFD, 1 << 30)), SHOW(fcntl(fd, F_GETOWN)), SHOW(fcntl(pair[0], F_SETOWN, getpid())), SHOW(fcntl(pair[0], F_GETOWN) == getpid()), SHOW(fcntl(fd, F_GETSIG)), (void)size;
    unlink("f");
    return 0;
}
