// What poll says of pipes, sockets, files, devices, closed and negative descriptors.
// libc: musl
#include "check.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
static void say(const char *what, int fd, short events) {
    struct pollfd p = {fd, events, 0x7f};
    int n = poll(&p, 1, 0);
    printf("%s: %d %x\n", what, n, p.revents);
}
int main(void) {
    enter_scratch();
    put_file("f", "");
    int p[2], s[2], ev = NEED(eventfd(0, 0)), tf = NEED(timerfd_create(CLOCK_MONOTONIC, 0)), all = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
    NEED(pipe(p)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    say("file", open("f", O_RDONLY), all), say("directory", open(".", O_RDONLY), all), say("null", open("/dev/null", O_RDWR), all), say("closed", 99, all), say("negative", -1, all), say("path", open("f", O_PATH), all), say("empty pipe", p[0], all), say("writable pipe", p[1], all), write(p[1], "x", 1), say("full pipe", p[0], all), close(p[1]), say("pipe without writers", p[0], all), read(p[0], &p, 1), say("drained", p[0], all), say("event", ev, all), eventfd_write(ev, -2ULL), say("full event", ev, all), say("timer", tf, all), say("socket", s[0], all), shutdown(s[1], SHUT_WR), say("half closed", s[0], all), close(s[1]), say("closed peer", s[0], all);
    NEED(pipe(p)), close(p[0]), say("pipe without readers", p[1], all), say("fresh stream", socket(AF_INET, SOCK_STREAM, 0), all), say("fresh datagram", socket(AF_INET, SOCK_DGRAM, 0), all), say("fresh unix", socket(AF_UNIX, SOCK_STREAM, 0), all);
    struct rlimit l = {10, 10};
    setrlimit(RLIMIT_NOFILE, &l), SHOW(poll((struct pollfd[16]){0}, 16, 0)), SHOW(poll(NULL, 0, 0)), SHOW(poll(NULL, 1, 0));
    unlink("f");
    return 0;
}
