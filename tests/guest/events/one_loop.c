// One loop over a timer, a signal, an event counter, a pipe and a child, as servers have it.
#include "children.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
static int e;
static void add(int fd, int number) {
    struct epoll_event v = {EPOLLIN, {.u32 = number}};
    NEED(epoll_ctl(e, EPOLL_CTL_ADD, fd, &v));
}
int main(void) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGCHLD), sigaddset(&set, SIGUSR1), sigprocmask(SIG_BLOCK, &set, NULL), e = NEED(epoll_create1(0));
    int timer = NEED(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), signals = NEED(signalfd(-1, &set, SFD_NONBLOCK)), event = NEED(eventfd(0, EFD_NONBLOCK)), pipes[2], counts[5] = {0}, ticks = 0, status;
    NEED(pipe2(pipes, O_NONBLOCK)), add(timer, 0), add(signals, 1), add(event, 2), add(pipes[0], 3);
    struct itimerspec every = {{0, 5000000}, {0, 5000000}};
    timerfd_settime(timer, 0, &every, NULL);
    pid_t pid = NEED(fork());
    if (pid == 0) {
        for (int i = 0; i < 10; i++) sleep_ms(3), kill(getppid(), SIGUSR1), eventfd_write(event, 2), write(pipes[1], "12345", 5);
        _exit(8);
    }
    uint64_t events = 0, n;
    int bytes = 0, ended = 0;
    while (!ended || ticks < 5) {
        struct epoll_event got[4];
        int count = epoll_wait(e, got, 4, 1000);
        for (int i = 0; i < count; i++) {
            struct signalfd_siginfo info;
            char in[64];
            if (got[i].data.u32 == 0 && read(timer, &n, 8) == 8) ticks += n;
            if (got[i].data.u32 == 1) while (read(signals, &info, sizeof info) == sizeof info) if (info.ssi_signo == SIGCHLD) ended = 1, printf("child ended with %d\n", info.ssi_status);
            if (got[i].data.u32 == 2 && read(event, &n, 8) == 8) events += n;
            if (got[i].data.u32 == 3) for (ssize_t size; (size = read(pipes[0], in, 64)) > 0;) bytes += size;
        }
    }
    waitpid(pid, &status, 0), show_end("child", status);
    if (read(event, &n, 8) == 8) events += n;
    char rest[64];
    for (ssize_t size; (size = read(pipes[0], rest, 64)) > 0;) bytes += size;
    printf("%ld events, %d bytes\n", (long)events, bytes), CHECK(ticks >= 5);
    return 0;
}
