// epoll: add, change, remove, level-triggered readiness, data words, errors.
#include "check.h"
#include <sys/epoll.h>
static void show(int ep, int timeout) {
    struct epoll_event got[8];
    int count = epoll_wait(ep, got, 8, timeout);
    printf("%d:", count);
    for (int i = 0; i < count; i++) printf(" %x/%lu", got[i].events, (unsigned long)got[i].data.u64);
    puts("");
}
int main(void) {
    int p[2], ep = NEED(epoll_create1(EPOLL_CLOEXEC));
    NEED(pipe(p));
    struct epoll_event in = {EPOLLIN, {.u64 = 11}}, out = {EPOLLOUT, {.u64 = 22}};
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &in));
    show(ep, 0);
    write(p[1], "xy", 2);
    show(ep, 0);
    show(ep, -1);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &in));
    in.data.u64 = 33;
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &in));
    show(ep, 0);
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    show(ep, 0);
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &in));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &out));
    show(ep, 0);
    close(p[0]);
    show(ep, 0);
    close(p[1]);
    show(ep, 0);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 0x7777, &in));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &in));
    SHOW(epoll_ctl(1, EPOLL_CTL_ADD, ep, &in));
    SHOW(epoll_ctl(ep, 99, 1, &in));
    int fd = open("/proc/self/exe", O_RDONLY);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &in));
    SHOW(epoll_wait(ep, &in, 0, 0));
    SHOW(epoll_create(0));
    SHOW(epoll_create1(0x40000000));
    int64_t start = now_ms();
    show(ep, 20);
    CHECK(now_ms() - start >= 19);
    return 0;
}
