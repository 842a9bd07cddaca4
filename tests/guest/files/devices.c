// The devices that every program expects.
#include "check.h"
#include <sys/ioctl.h>
static int ioctl_tty(void) {
    struct winsize size;
    int null = open("/dev/null", O_RDWR);
    return ioctl(null, TIOCGWINSZ, &size);
}
int main(void) {
    char bytes[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    int fd = open("/dev/null", O_RDWR);
    SHOW(read(fd, bytes, 8));
    SHOW(write(fd, bytes, 8));
    close(fd);
    fd = open("/dev/zero", O_RDWR);
    SHOW(read(fd, bytes, 8));
    printf("%d %d\n", bytes[0], bytes[7]);
    SHOW(write(fd, bytes, 8));
    close(fd);
    fd = open("/dev/full", O_RDWR);
    SHOW(write(fd, bytes, 8));
    SHOW(read(fd, bytes, 8));
    close(fd);
    fd = open("/dev/fd/1", O_WRONLY);
    CHECK(fd >= 0);
    CHECK(access("/dev/stdout", F_OK) == 0);
    SHOW(isatty(0));
    SHOW(ioctl_tty());
    return 0;
}
