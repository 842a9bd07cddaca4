// POSIX record locks are not inherited, flock and OFD locks are.
// libc: musl
#include "children.h"
#include <sys/file.h>
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    int fd = NEED(open("f", O_RDWR)), other = NEED(open("f", O_RDWR));
    struct flock range = {.l_type = F_WRLCK, .l_start = 0, .l_len = 5};
    SHOW(fcntl(fd, F_SETLK, &range));
    IN_CHILD("posix", struct flock ask = {.l_type = F_WRLCK, .l_len = 5}; SHOW(fcntl(fd, F_SETLK, &ask)); SHOW(fcntl(fd, F_GETLK, &ask));
             CHECK(ask.l_type == F_WRLCK && ask.l_pid == getppid()));
    struct flock ofd = {.l_type = F_WRLCK, .l_start = 6, .l_len = 2};
    SHOW(fcntl(fd, F_OFD_SETLK, &ofd));
    IN_CHILD("ofd", struct flock ask = {.l_type = F_WRLCK, .l_start = 6, .l_len = 2}; SHOW(fcntl(fd, F_OFD_SETLK, &ask));
             SHOW(fcntl(other, F_OFD_SETLK, &ask)); ask.l_type = F_RDLCK; SHOW(fcntl(other, F_OFD_GETLK, &ask)); SHOW(ask.l_pid));
    SHOW(flock(fd, LOCK_EX));
    IN_CHILD("flock", SHOW(flock(fd, LOCK_EX | LOCK_NB)); SHOW(flock(other, LOCK_EX | LOCK_NB)); SHOW(flock(fd, LOCK_UN)));
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    close(other);
    IN_CHILD("posix gone after close", struct flock ask = {.l_type = F_WRLCK, .l_len = 5}; SHOW(fcntl(fd, F_SETLK, &ask)));
    unlink("f");
    return 0;
}
