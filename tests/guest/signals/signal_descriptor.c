// signalfd reads blocked signals as records.
#include "check.h"
#include <poll.h>
#include <sys/signalfd.h>
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = NEED(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    struct signalfd_siginfo info;
    SHOW(read(fd, &info, sizeof info));
    kill(getpid(), SIGTERM);
    struct pollfd poll_ = {fd, POLLIN};
    SHOW(poll(&poll_, 1, 0));
    SHOW(read(fd, &info, sizeof info));
    printf("%u %d\n", info.ssi_signo, info.ssi_pid == (uint32_t)getpid());
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 9});
    SHOW(read(fd, &info, sizeof info));
    printf("%d\n", info.ssi_int);
    SHOW(read(fd, &info, 10));
    SHOW(signalfd(99, &set, 0));
    return 0;
}
