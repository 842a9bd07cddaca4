// Descriptors that send signals when they become ready: O_ASYNC, FIOASYNC, F_SETOWN, F_SETSIG.
#include "children.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
static volatile int count, fd_told, code_told, band_told;
static void handler(int signal, siginfo_t *info, void *context) {
    count++, code_told = info->si_code, fd_told = info->si_fd, band_told = info->si_band;
}
static void told(const char *what, int fd) {
    if (count == 0) printf("%s: nothing\n", what);
    else if (code_told == SI_KERNEL) printf("%s: %d\n", what, count);
    else printf("%s: %d code %d band %#x descriptor %d\n", what, count, code_told, band_told, fd_told == fd);
    count = 0;
}
static void set(int fd, int flags) { NEED(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_ASYNC | flags)); }
int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGIO, &action, NULL), sigaction(SIGRTMIN + 1, &action, NULL);
    int pair[2], ends[2], other[2], on = 1, off = 0;
    char byte;
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair)), NEED(pipe(ends)), NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, other));
    set(pair[0], O_ASYNC), write(pair[1], "x", 1), told("without an owner", 0), read(pair[0], &byte, 1);
    SHOW(fcntl(pair[0], F_SETOWN, getpid())), SHOW(fcntl(pair[0], F_GETSIG));
    write(pair[1], "x", 1), told("stream", 0), write(pair[1], "y", 1), told("more", 0);
    read(pair[0], &byte, 1), told("read", 0);
    set(pair[0], 0), write(pair[1], "z", 1), told("switched off", 0);
    SHOW(ioctl(pair[0], FIOASYNC, &on)), CHECK(fcntl(pair[0], F_GETFL) & O_ASYNC), write(pair[1], "z", 1), told("by ioctl", 0);
    SHOW(ioctl(pair[0], FIOASYNC, &off)), CHECK(!(fcntl(pair[0], F_GETFL) & O_ASYNC));
    // With a signal of its own.
    int fd = ends[0];
    SHOW(fcntl(fd, F_SETSIG, 65)), SHOW(fcntl(fd, F_SETSIG, -1)), SHOW(fcntl(fd, F_SETSIG, SIGRTMIN + 1)), CHECK(fcntl(fd, F_GETSIG) == SIGRTMIN + 1);
    SHOW(fcntl(fd, F_SETOWN, getpid())), set(fd, O_ASYNC);
    write(ends[1], "ab", 2), told("pipe", fd), read(fd, &byte, 1), told("read from it", fd);
    SHOW(fcntl(fd, F_SETSIG, 0)), write(ends[1], "c", 1), told("SIGIO again", fd);
    // To a process group, and to one thread.
    struct { int kind, number; } thread = {0, getpid()}, got = {0};
    SHOW(fcntl(other[0], F_SETOWN, -getpgrp())), CHECK(fcntl(other[0], F_GETOWN) == -getpgrp());
    SHOW(fcntl(other[0], 15, &thread)), SHOW(fcntl(other[0], 16, &got)), CHECK(got.kind == 0 && got.number == getpid());
    SHOW(fcntl(other[0], F_SETSIG, SIGRTMIN + 1)), set(other[0], O_ASYNC), send(other[1], "d", 1, 0), told("datagram", other[0]);
    // A child that reads keeps the parent's signals coming; a closed file sends none.
    IN_CHILD("child", count = 0; write(ends[1], "e", 1); told("in the child", 0));
    sleep_ms(20), told("in the parent", 0);
    close(ends[0]), close(ends[1]), told("closed", 0);
    // One that waits for nothing else.
    pid_t pid = NEED(fork());
    if (pid == 0) sleep_ms(50), write(pair[1], "f", 1), _exit(0);
    set(pair[0], O_ASYNC);
    SHOW(pause()), told("woken", 0), waitpid(pid, NULL, 0);
    return 0;
}
