// A non-blocking pidfd answers EAGAIN; epoll sees the end; clone with CLONE_PIDFD makes one.
// libc: glibc
#include "children.h"
#include <sched.h>
#include <sys/epoll.h>
int main(void) {
    int fd = -1, gate[2];
    NEED(pipe(gate));
    pid_t pid = NEED(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0));
    if (pid == 0) {
        await_byte(gate[0]);
        _exit(5);
    }
    CHECK(fd > 2);
    SHOW(fcntl(fd, F_GETFD));
    int epoll = NEED(epoll_create1(0));
    struct epoll_event event = {EPOLLIN, {.u32 = 7}}, got;
    SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    SHOW(epoll_wait(epoll, &got, 1, 0));
    int other = NEED(syscall(SYS_pidfd_open, pid, O_NONBLOCK));
    siginfo_t info;
    SHOW(waitid(3, other, &info, WEXITED));
    NEED(write(gate[1], "x", 1));
    SHOW(epoll_wait(epoll, &got, 1, 60000));
    SHOW(got.events), SHOW(got.data.u32);
    SHOW(waitid(3, other, &info, WEXITED | WNOWAIT)), SHOW(info.si_status);
    SHOW(waitpid(pid, NULL, 0) == pid);
    return 0;
}
