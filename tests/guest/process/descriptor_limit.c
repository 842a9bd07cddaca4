// Descriptors up to the limit, EMFILE for everything beyond, the lowest free number first.
// libc: glibc
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
int main(void) {
    struct rlimit l = {32, 32};
    setrlimit(RLIMIT_NOFILE, &l);
    for (int fd = 3; fd < 100; fd++) close(fd);
    int p[2], n = 0;
    while (dup(0) >= 0) n++;
    SHOW(n), SHOW(open("/dev/null", O_RDONLY)), SHOW(socket(AF_INET, SOCK_STREAM, 0)), SHOW(pipe(p)), SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, p)), SHOW(epoll_create1(0)), SHOW(eventfd(0, 0)), SHOW(timerfd_create(CLOCK_MONOTONIC, 0)), SHOW(dup2(0, 31)), SHOW(dup2(0, 32)), SHOW(dup3(0, 33, 0)), SHOW(fcntl(0, F_DUPFD, 32)), SHOW(fcntl(0, F_DUPFD, 31)), close(31), SHOW(pipe(p)), SHOW(dup(0)), close(10), close(5), SHOW(dup(0)), SHOW(dup(0)), close(7), close(9), SHOW(pipe(p)), SHOW(p[0]), SHOW(p[1]);
    return 0;
}
