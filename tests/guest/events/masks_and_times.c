// ppoll, pselect and epoll_pwait with signal masks; interrupted waits; times that are left.
#include "../check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
static volatile int seen;
static void handler(int number) { seen = number; }
int main(void) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigset_t usr1, none, now;
    sigemptyset(&none), sigemptyset(&usr1), sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    int p[2], ep = NEED(epoll_create1(0));
    NEED(pipe(p));
    struct pollfd f = {p[0], POLLIN, 0};
    struct epoll_event e = {.events = EPOLLIN}, out[4];
    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    struct timespec short_time = {0, 30000000}, long_time = {60, 0};
    raise(SIGUSR1);
    SHOW(ppoll(&f, 1, &short_time, NULL));
    SHOW(seen);
    SHOW(ppoll(&f, 1, &long_time, &none));
    SHOW(seen == SIGUSR1);
    sigprocmask(0, NULL, &now);
    SHOW(sigismember(&now, SIGUSR1));
    seen = 0, raise(SIGUSR1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    SHOW(pselect(p[0] + 1, &set, NULL, NULL, &long_time, &none));
    SHOW(seen == SIGUSR1);
    seen = 0, raise(SIGUSR1);
    SHOW(epoll_pwait(ep, out, 4, 60000, &none));
    SHOW(seen == SIGUSR1);
    seen = 0;
    NEED(write(p[1], "x", 1));
    raise(SIGUSR1);
    SHOW(ppoll(&f, 1, &long_time, &none));
    SHOW(seen);
    sigprocmask(SIG_SETMASK, &none, NULL);
    SHOW(seen == SIGUSR1);
    char c;
    NEED(read(p[0], &c, 1));
    struct timeval tv = {0, 40000};
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    SHOW(select(p[0] + 1, &set, NULL, NULL, &tv));
    CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
    CHECK(!FD_ISSET(p[0], &set));
    NEED(write(p[1], "x", 1));
    tv.tv_sec = 99, tv.tv_usec = 0;
    FD_SET(p[0], &set);
    SHOW(select(p[0] + 1, &set, NULL, NULL, &tv));
    CHECK(tv.tv_sec > 50 && tv.tv_sec <= 99);
    SHOW(select(-1, NULL, NULL, NULL, &tv));
    tv.tv_usec = -1;
    SHOW(select(0, NULL, NULL, NULL, &tv));
    SHOW(ppoll(&f, 1, &(struct timespec){0, 1000000000}, NULL));
    SHOW(syscall(SYS_ppoll, &f, 1, &long_time, &none, 4));
    SHOW(poll(NULL, 0, 10));
    SHOW(poll((struct pollfd *)8, 1, 0));
    SHOW(poll(&f, 10000000, 0));
    SHOW(epoll_wait(ep, out, 0, 0));
    SHOW(epoll_wait(ep, (struct epoll_event *)8, 1, 0));
    SHOW(epoll_wait(p[0], out, 1, 0));
    return 0;
}
