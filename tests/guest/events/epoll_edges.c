// Edge-triggered and one-shot entries: once per change, and not again until armed.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
static int ready(int ep) {
    struct epoll_event got[4];
    return epoll_wait(ep, got, 4, 0);
}
int main(void) {
    int p[2], ep = NEED(epoll_create1(0));
    NEED(pipe2(p, O_NONBLOCK));
    struct epoll_event edge = {EPOLLIN | EPOLLET, {0}}, once = {EPOLLIN | EPOLLONESHOT, {0}};
    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &edge));
    SHOW(ready(ep));
    write(p[1], "x", 1);
    SHOW(ready(ep));
    SHOW(ready(ep));
    write(p[1], "y", 1);
    SHOW(ready(ep));
    char bytes[8];
    SHOW(read(p[0], bytes, 8));
    SHOW(ready(ep));
    write(p[1], "z", 1);
    SHOW(ready(ep));
    NEED(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &edge));
    SHOW(ready(ep));
    NEED(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &once));
    SHOW(ready(ep));
    SHOW(ready(ep));
    NEED(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &once));
    SHOW(ready(ep));
    int fd = NEED(eventfd(0, 0));
    uint64_t one = 1;
    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &edge));
    SHOW(ready(ep));
    write(fd, &one, 8);
    SHOW(ready(ep));
    SHOW(ready(ep));
    write(fd, &one, 8);
    SHOW(ready(ep));
    return 0;
}
