// An epoll descriptor can be polled and put into another one; a copied descriptor keeps an entry alive.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
int main(void) {
    int p[2], inner = NEED(epoll_create1(0)), outer = NEED(epoll_create1(0));
    NEED(pipe(p));
    struct epoll_event in = {EPOLLIN, {.u32 = 1}}, got;
    NEED(epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &in));
    in.data.u32 = 2;
    SHOW(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &in));
    SHOW(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &in));
    SHOW(epoll_wait(outer, &got, 1, 0));
    write(p[1], "x", 1);
    SHOW(epoll_wait(outer, &got, 1, 0));
    printf("%u\n", got.data.u32);
    struct pollfd poll_ = {inner, POLLIN};
    SHOW(poll(&poll_, 1, 0));
    int copy = dup(p[0]);
    close(p[0]);
    SHOW(epoll_wait(inner, &got, 1, 0));
    close(copy);
    SHOW(epoll_wait(inner, &got, 1, 0));
    return 0;
}
