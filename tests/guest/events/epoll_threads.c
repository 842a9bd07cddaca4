// A thread asleep in epoll_wait wakes for what another thread does, and for entries added meanwhile.
// build: -pthread
#include "asleep.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
static int ep, event, late;
static pid_t waiting[2];
static void *waker(void *n) {
    uint64_t one = 1;
    await_announced(&waiting[0]);
    write(event, &one, 8);
    await_announced(&waiting[1]);
    struct epoll_event in = {EPOLLIN, {.u32 = 2}};
    epoll_ctl(ep, EPOLL_CTL_ADD, late, &in);
    return n;
}
int main(void) {
    ep = NEED(epoll_create1(0));
    event = NEED(eventfd(0, 0));
    late = NEED(eventfd(5, 0));
    struct epoll_event in = {EPOLLIN, {.u32 = 1}}, got;
    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, event, &in));
    pthread_t t;
    pthread_create(&t, NULL, waker, NULL);
    for (int i = 0; i < 2; i++) {
        announce(&waiting[i]);
        SHOW(epoll_wait(ep, &got, 1, 60000));
        printf("%u\n", got.data.u32);
        uint64_t value;
        if (got.data.u32 == 1) read(event, &value, 8);
    }
    pthread_join(t, NULL);
    return 0;
}
