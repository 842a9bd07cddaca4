// A large exchange both ways at once over pipes and over a socket pair, without blocking, driven by poll.
#include "children.h"
#include <poll.h>
#include <sys/socket.h>
enum { TOTAL = 3 << 20 };
static void exchange(int in, int out, unsigned seed) {
    static unsigned char to[65536], from[65536];
    long sent = 0, got = 0;
    unsigned long sum = 0, expected = 0;
    fcntl(in, F_SETFL, O_NONBLOCK), fcntl(out, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 65536; i++) to[i] = i * 31 + seed, expected += to[i];
    while (sent < TOTAL || got < TOTAL) {
        struct pollfd p[2] = {{in, got < TOTAL ? POLLIN : 0, 0}, {out, sent < TOTAL ? POLLOUT : 0, 0}};
        poll(p, 2, -1);
        ssize_t n;
        if (sent < TOTAL && (n = write(out, to + sent % 65536, 65536 - sent % 65536 < TOTAL - sent ? 65536 - sent % 65536 : TOTAL - sent)) > 0) sent += n;
        if (got < TOTAL && (n = read(in, from, TOTAL - got < 65536 ? TOTAL - got : 65536)) > 0) { for (int i = 0; i < n; i++) sum += from[i]; got += n; }
    }
    printf("%ld sent, %ld received, sum %lu of %lu\n", sent, got, sum, expected * (TOTAL / 65536));
}
int main(void) {
    int a[2], b[2], s[2];
    NEED(pipe(a)), NEED(pipe(b)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), fflush(stdout);
    IN_CHILD("parent's child", pid_t pid = fork(); if (pid == 0) freopen("/dev/null", "w", stdout), exchange(a[0], b[1], 7), exchange(s[1], s[1], 9), _exit(0); exchange(b[0], a[1], 7); exchange(s[0], s[0], 9); waitpid(pid, NULL, 0));
    return 0;
}
