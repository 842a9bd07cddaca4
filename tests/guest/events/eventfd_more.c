// eventfd: semaphores, limits, blocking both ways, sizes.
// libc: glibc
#include "asleep.h"
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
static int full;
static eventfd_t taken;
static void take(void) { eventfd_read(full, &taken); }
int main(void) {
    int fd = NEED(eventfd(3, EFD_NONBLOCK)), sem = NEED(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));
    full = NEED(eventfd(0, 0));
    uint64_t v = 0;
    SHOW(read(fd, &v, 8)), SHOW(v), SHOW(read(fd, &v, 8)), SHOW(read(fd, &v, 4)), v = 5, SHOW(write(fd, &v, 4)), SHOW(write(fd, &v, 8)), SHOW(read(fd, &v, 16)), SHOW(v), SHOW(read(sem, &v, 8)), SHOW(v), SHOW(read(sem, &v, 8)), SHOW(read(sem, &v, 8)), v = -1, SHOW(write(fd, &v, 8)), v = -2, SHOW(write(fd, &v, 8)), v = 1, SHOW(write(fd, &v, 8)), v = 0, SHOW(write(fd, &v, 8)), SHOW(eventfd(0, 77)), SHOW(lseek(fd, 0, 0)), SHOW(fcntl(sem, F_GETFD));
    v = -2, write(full, &v, 8);
    pthread_t t = once_asleep(take);
    v = 7, SHOW(write(full, &v, 8)), pthread_join(t, NULL), SHOW(taken == 0xfffffffffffffffe), SHOW(read(full, &v, 8)), SHOW(v);
    return 0;
}
