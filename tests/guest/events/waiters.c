// Many threads wait for one descriptor: each event wakes at least one, exclusive and shared.
// libc: musl
#include "check.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
static int event;
static volatile int taken;
static void *worker(void *flags) {
    int e = epoll_create1(0);
    struct epoll_event v = {EPOLLIN | (unsigned)(long)flags, {0}}, got;
    epoll_ctl(e, EPOLL_CTL_ADD, event, &v);
    for (;;) {
        epoll_wait(e, &got, 1, -1);
        uint64_t n;
        if (read(event, &n, 8) == 8) {
            if (taken >= 50) { eventfd_write(event, 1); return NULL; }
            if (__sync_add_and_fetch(&taken, 1) == 50) { eventfd_write(event, 1); return NULL; }
        } else if (taken >= 50) return NULL;
    }
}
int main(void) {
    unsigned kinds[] = {0, EPOLLEXCLUSIVE};
    for (int k = 0; k < 2; k++) {
        event = NEED(eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK)), taken = 0;
        pthread_t t[8];
        for (long i = 0; i < 8; i++) pthread_create(&t[i], NULL, worker, (void *)(long)kinds[k]);
        for (int i = 0; i < 50; i++) eventfd_write(event, 1), usleep(200);
        eventfd_write(event, 20);
        for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
        // Two may take the last ones at the same time.
        CHECK(taken >= 50), close(event);
    }
    return 0;
}
