// signalfd: several signals in one read, non-blocking, a changed mask, values, epoll, and what it refuses.
#include "check.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>
int main(void) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMIN + 1), sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigdelset(&set, SIGTERM);
    int fd = NEED(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    struct signalfd_siginfo got[8];
    SHOW(read(fd, got, sizeof got)), SHOW(read(fd, got, 100)), SHOW(fcntl(fd, F_GETFD));
    kill(getpid(), SIGUSR1), kill(getpid(), SIGTERM);
    for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i});
    int epoll = NEED(epoll_create1(0));
    struct epoll_event e = {EPOLLIN, {0}};
    SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)), SHOW(epoll_wait(epoll, &e, 1, 0));
    ssize_t size = read(fd, got, sizeof got[0] * 2);
    SHOW(size / sizeof got[0]);
    printf("%d code %d pid %d\n", got[0].ssi_signo, got[0].ssi_code, got[0].ssi_pid == getpid());
    CHECK(got[1].ssi_signo == SIGRTMIN + 1), SHOW(got[1].ssi_int), SHOW(got[1].ssi_code);
    SHOW(read(fd, got, sizeof got) / sizeof got[0]), SHOW(got[1].ssi_int);
    SHOW(epoll_wait(epoll, &e, 1, 0));
    sigaddset(&set, SIGTERM), SHOW(signalfd(fd, &set, 0) == fd);
    SHOW(epoll_wait(epoll, &e, 1, 0)), SHOW(read(fd, got, sizeof got) / sizeof got[0]), SHOW(got[0].ssi_signo);
    SHOW(signalfd(0, &set, 0)), SHOW(signalfd(99, &set, 0)), SHOW(signalfd(-1, &set, 5)), SHOW(write(fd, got, 128));
    SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0)), SHOW(syscall(SYS_signalfd4, -1, (void *)8, 8, 0));
    return 0;
}
