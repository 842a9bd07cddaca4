// Interest follows the open file, not the number: dup, close, fork, reuse of numbers.
// libc: musl
#include "children.h"
#include <sys/epoll.h>
int main(void) {
    int e = NEED(epoll_create1(0)), p[2], q[2];
    struct epoll_event v = {EPOLLIN, {.u32 = 1}}, got[4];
    NEED(pipe(p)), NEED(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v)), write(p[1], "x", 1);
    int copy = dup(p[0]), number = p[0];
    close(p[0]), SHOW(epoll_wait(e, got, 4, 0)), SHOW(epoll_ctl(e, EPOLL_CTL_DEL, number, NULL)), SHOW(epoll_ctl(e, EPOLL_CTL_DEL, copy, NULL)), NEED(pipe(q)), SHOW(q[0] == number), v.data.u32 = 2, SHOW(epoll_ctl(e, EPOLL_CTL_ADD, q[0], &v)), SHOW(epoll_wait(e, got, 4, 0)), close(copy), SHOW(epoll_wait(e, got, 4, 0)), write(q[1], "y", 1), SHOW(epoll_wait(e, got, 4, 0)), SHOW(got[0].data.u32);
    IN_CHILD("child", close(q[0]); SHOW(epoll_wait(e, got, 4, 0)));
    SHOW(epoll_wait(e, got, 4, 0)), close(q[0]), SHOW(epoll_wait(e, got, 4, 0));
    int copy2 = dup(q[1]);
    v.events = EPOLLOUT, SHOW(epoll_ctl(e, EPOLL_CTL_ADD, q[1], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, copy2, &v)), SHOW(epoll_wait(e, got, 4, 0)), printf("%x\n", got[0].events);
    return 0;
}
