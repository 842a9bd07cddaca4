// fcntl: descriptor flags, status flags, and what F_SETFL does not change.
#include "check.h"
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_SETFD, 0));
    SHOW(fcntl(fd, F_GETFD));
    CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY));
    CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    CHECK(fcntl(fd, F_GETFL) & O_APPEND);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    int copy = dup(fd);
    SHOW(fcntl(copy, F_SETFL, 0));
    CHECK(!(fcntl(fd, F_GETFL) & O_APPEND));
    SHOW(fcntl(0x7777, F_GETFL));
    SHOW(fcntl(fd, 0x7777, 0));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    SHOW(fcntl(fd, F_SETLK, &lock));
    SHOW(fcntl(fd, F_GETLK, &lock));
    CHECK(lock.l_type == F_UNLCK);
    unlink("f");
    return 0;
}
