// eventfd: semaphores, limits, blocking both ways, sizes.
// libc: glibc
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
static void *adder(void *fd) {
    sleep_ms(20);
    eventfd_t v;
    eventfd_read(*(int *)fd, &v), SHOW(v == 0xfffffffffffffffe);
    return NULL;
}
int main(void) {
    int fd = NEED(eventfd(3, EFD_NONBLOCK)), sem = NEED(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)), full = NEED(eventfd(0, 0));
    uint64_t v = 0;
    SHOW(read(fd, &v, 8)), SHOW(v), SHOW(read(fd, &v, 8)), SHOW(read(fd, &v, 4)), v = 5, SHOW(write(fd, &v, 4)), SHOW(write(fd, &v, 8)), SHOW(read(fd, &v, 16)), SHOW(v), SHOW(read(sem, &v, 8)), SHOW(v), SHOW(read(sem, &v, 8)), SHOW(read(sem, &v, 8)), v = -1, SHOW(write(fd, &v, 8)), v = -2, SHOW(write(fd, &v, 8)), v = 1, SHOW(write(fd, &v, 8)), v = 0, SHOW(write(fd, &v, 8)), SHOW(eventfd(0, 77)), SHOW(lseek(fd, 0, 0)), SHOW(fcntl(sem, F_GETFD));
    v = -2, write(full, &v, 8);
    pthread_t t;
    pthread_create(&t, NULL, adder, &full), v = 7, SHOW(write(full, &v, 8)), pthread_join(t, NULL), SHOW(read(full, &v, 8)), SHOW(v);
    return 0;
}
