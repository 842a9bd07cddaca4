// fsync, fdatasync, fallocate, fadvise and flock on a plain file.
#include "check.h"
#include <sys/file.h>
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    NEED(write(fd, "data", 4));
    SHOW(fsync(fd));
    SHOW(fdatasync(fd));
    SHOW(fsync(0x7777));
    SHOW(posix_fallocate(fd, 0, 5000));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    SHOW(flock(fd, LOCK_EX));
    SHOW(flock(fd, LOCK_UN));
    SHOW(flock(fd, 77));
    sync();
    int pair[2];
    NEED(pipe(pair));
    SHOW(fsync(pair[0]));
    unlink("f");
    return 0;
}
