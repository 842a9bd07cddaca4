// sigsuspend, ppoll, pselect and epoll_pwait let a blocked signal in for their time only.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
static volatile sig_atomic_t got;
static void note(int number) { (void)number, got++; }
static int blocked(void) {
    sigset_t now;
    sigprocmask(0, NULL, &now);
    return sigismember(&now, SIGUSR1);
}
int main(void) {
    signal(SIGUSR1, note);
    sigset_t set, none;
    sigemptyset(&none), sigemptyset(&set), sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct timespec ten = {0, 10000000};
    struct epoll_event e;
    int epoll = NEED(epoll_create1(0));
    raise(SIGUSR1), SHOW(sigsuspend(&none)), SHOW(got), SHOW(blocked());
    raise(SIGUSR1), SHOW(ppoll(NULL, 0, &ten, &none)), SHOW(got), SHOW(blocked());
    raise(SIGUSR1), SHOW(pselect(0, NULL, NULL, NULL, &ten, &none)), SHOW(got), SHOW(blocked());
    raise(SIGUSR1), SHOW(epoll_pwait(epoll, &e, 1, 10, &none)), SHOW(got), SHOW(blocked());
    raise(SIGUSR1), SHOW(ppoll(NULL, 0, &ten, NULL)), SHOW(got), SHOW(blocked());
    SHOW(ppoll(NULL, 0, &ten, &none)), SHOW(got);
    SHOW(ppoll(NULL, 0, &ten, &none)), SHOW(got);
    // A ready descriptor wins over a pending signal.
    int pipes[2];
    NEED(pipe(pipes));
    struct pollfd p = {pipes[1], POLLOUT, 0};
    raise(SIGUSR1), SHOW(ppoll(&p, 1, &ten, &none)), SHOW(got);
    sigset_t pending;
    sigpending(&pending), SHOW(sigismember(&pending, SIGUSR1));
    return 0;
}
