// Level, edge and one-shot: when each reports again.
// libc: glibc
#include "check.h"
#include <sys/epoll.h>
#include <sys/socket.h>
static int e;
static void wait_(const char *what) {
    struct epoll_event got[8];
    int n = epoll_wait(e, got, 8, 0);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++) printf(" %x", got[i].events);
    printf("\n");
}
int main(void) {
    unsigned modes[] = {0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT};
    for (int i = 0; i < 4; i++) {
        int s[2];
        char t[64];
        e = NEED(epoll_create1(0)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
        struct epoll_event v = {EPOLLIN | EPOLLRDHUP | modes[i], {0}};
        NEED(epoll_ctl(e, EPOLL_CTL_ADD, s[0], &v)), printf("mode %d\n", i), wait_("empty"), write(s[1], "abcd", 4), wait_("written"), wait_("again"), read(s[0], t, 1), wait_("read a part"), write(s[1], "e", 1), wait_("more"), wait_("again"), epoll_ctl(e, EPOLL_CTL_MOD, s[0], &v), wait_("modified"), read(s[0], t, 64), wait_("drained"), epoll_ctl(e, EPOLL_CTL_MOD, s[0], &v), write(s[1], "f", 1), read(s[0], t, 64), wait_("written and drained"), epoll_ctl(e, EPOLL_CTL_MOD, s[0], &v), shutdown(s[1], SHUT_WR), wait_("half closed"), wait_("again"), close(s[1]), wait_("closed"), close(s[0]), close(e);
    }
    return 0;
}
