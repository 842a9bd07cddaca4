// epoll_ctl and epoll_wait: what is refused.
// libc: glibc
#include "check.h"
#include <sys/epoll.h>
int main(void) {
    enter_scratch();
    put_file("f", "x");
    int e = NEED(epoll_create1(0)), p[2], f = NEED(open("f", O_RDONLY)), d = NEED(open(".", O_RDONLY)), e2 = NEED(epoll_create1(0));
    struct epoll_event v = {EPOLLIN, {0}}, got[4];
    NEED(pipe(p));
    SHOW(epoll_create(0)), TRY(epoll_create(-1)), SHOW(epoll_create1(5)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, f, &v)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, d, &v)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, e, &v)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, 99, &v)), SHOW(epoll_ctl(99, EPOLL_CTL_ADD, p[0], &v)), SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_DEL, p[0], &v)), SHOW(epoll_ctl(e, 9, p[0], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], NULL)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_DEL, p[0], NULL));
    v.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v)), v.events = EPOLLIN | EPOLLEXCLUSIVE, SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v)), v.events = EPOLLIN, SHOW(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v)), SHOW(epoll_ctl(e, EPOLL_CTL_ADD, e2, &v)), SHOW(epoll_ctl(e2, EPOLL_CTL_ADD, e, &v)), SHOW(epoll_wait(e, got, 0, 0)), SHOW(epoll_wait(e, got, -1, 0)), SHOW(epoll_wait(99, got, 1, 0)), SHOW(epoll_wait(p[0], got, 1, 0)), SHOW(epoll_wait(e, (void *)8, 4, 0)), write(p[1], "x", 1), SHOW(epoll_wait(e, (void *)8, 4, 0)), SHOW(epoll_wait(e, got, 4, 0)), SHOW(read(e, got, 12)), SHOW(lseek(e, 0, 0));
    struct timespec bad = {0, -1}, zero = {0};
    SHOW(syscall(441, e, got, 4, &bad, NULL, 8)), SHOW(syscall(441, e, got, 4, &zero, NULL, 8)), SHOW(syscall(441, e, got, 4, NULL, NULL, 8)), close(p[0]), SHOW(epoll_wait(e, got, 4, 0));
    unlink("f");
    return 0;
}
