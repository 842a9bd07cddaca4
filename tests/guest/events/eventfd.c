// eventfd counts, blocks at zero and at the limit, and as a semaphore gives one at a time.
#include "check.h"
#include <poll.h>
#include <sys/eventfd.h>
int main(void) {
    uint64_t value = 0;
    int fd = NEED(eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
    SHOW(read(fd, &value, 8));
    printf("%lu\n", (unsigned long)value);
    SHOW(read(fd, &value, 8));
    value = 5;
    SHOW(write(fd, &value, 8));
    value = 7;
    SHOW(write(fd, &value, 8));
    SHOW(read(fd, &value, 8));
    printf("%lu\n", (unsigned long)value);
    SHOW(read(fd, &value, 4));
    SHOW(write(fd, &value, 4));
    value = UINT64_MAX;
    SHOW(write(fd, &value, 8));
    value = UINT64_MAX - 1;
    SHOW(write(fd, &value, 8));
    value = 1;
    SHOW(write(fd, &value, 8));
    struct pollfd poll_ = {fd, POLLIN | POLLOUT};
    SHOW(poll(&poll_, 1, 0));
    printf("%x\n", poll_.revents);
    int counter = NEED(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    SHOW(read(counter, &value, 8));
    printf("%lu\n", (unsigned long)value);
    SHOW(read(counter, &value, 8));
    SHOW(read(counter, &value, 8));
    SHOW(eventfd(0, 0x40000000));
    return 0;
}
