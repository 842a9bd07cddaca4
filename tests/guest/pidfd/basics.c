// pidfd_open, its poll, waitid by it, pidfd_send_signal, and their errors.
// libc: musl
#include "children.h"
#include <poll.h>
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
static int pidfd_open_(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int pidfd_kill(int fd, int number, siginfo_t *info, unsigned flags) { return syscall(SYS_pidfd_send_signal, fd, number, info, flags); }
int main(void) {
    SHOW(pidfd_open_(-1, 0)), SHOW(pidfd_open_(0, 0)), SHOW(pidfd_open_(4999999, 0)), SHOW(pidfd_open_(getpid(), 1));
    int gate[2];
    NEED(pipe(gate));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        await_byte(gate[0]);
        _exit(9);
    }
    int fd = NEED(pidfd_open_(pid, 0));
    SHOW(fcntl(fd, F_GETFD));
    struct pollfd p = {fd, POLLIN, 0};
    SHOW(poll(&p, 1, 0));
    SHOW(pidfd_kill(fd, 0, NULL, 0)), SHOW(pidfd_kill(fd, 0, NULL, 8)), SHOW(pidfd_kill(0, 0, NULL, 0)), SHOW(pidfd_kill(99, 0, NULL, 0));
    SHOW(pidfd_kill(fd, 99, NULL, 0));
    char byte;
    SHOW(read(fd, &byte, 1)), SHOW(write(fd, &byte, 1));
    siginfo_t info = {0};
    NEED(write(gate[1], "x", 1));
    SHOW(poll(&p, 1, 60000)), SHOW(p.revents);
    SHOW(waitid(P_PIDFD, fd, &info, WEXITED)), SHOW(info.si_status);
    SHOW(waitid(P_PIDFD, fd, &info, WEXITED));
    SHOW(waitid(P_PIDFD, 99, &info, WEXITED));
    SHOW(waitid(P_PIDFD, 0, &info, WEXITED));
    SHOW(pidfd_kill(fd, SIGTERM, NULL, 0));
    int self = NEED(pidfd_open_(getpid(), O_NONBLOCK));
    SHOW(fcntl(self, F_GETFL) & O_NONBLOCK ? 1 : 0);
    SHOW(waitid(P_PIDFD, self, &info, WEXITED));
    return 0;
}
