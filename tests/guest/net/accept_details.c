// accept4's flags, addresses cut short, EMFILE, errors that pass over, and inheritance of options.
// libc: glibc
#include "sockets.h"
#include <sys/resource.h>
int main(void) {
    int port, l = listener(&port, 8), one = 1, v;
    socklen_t n = sizeof v;
    setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &one, 4), setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &one, 4), fcntl(l, F_SETFL, O_NONBLOCK), SHOW(accept(l, NULL, NULL));
    int c = dial(port), s = NEED(accept4(l, NULL, NULL, SOCK_CLOEXEC));
    SHOW(fcntl(s, F_GETFD)), SHOW(fcntl(s, F_GETFL) & O_NONBLOCK), getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, &n), SHOW(v), getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, &n), SHOW(v);
    int c2 = dial(port);
    SHOW(syscall(SYS_accept4, l, NULL, NULL, 5));
    struct sockaddr_in a = {0};
    socklen_t size = 4;
    int s2 = NEED(accept4(l, (void *)&a, &size, SOCK_NONBLOCK));
    SHOW(size), SHOW(a.sin_addr.s_addr), SHOW(fcntl(s2, F_GETFL) & O_NONBLOCK ? 1 : 0), size = -5;
    int c3 = dial(port);
    SHOW(accept(l, (void *)&a, &size));
    struct rlimit limit = {10, 64};
    while (dup(0) >= 0 && dup(0) < 50) {}
    limit.rlim_cur = dup(0), setrlimit(RLIMIT_NOFILE, &limit);
    int c4 = (errno = 0, socket(AF_INET, SOCK_STREAM, 0));
    printf("%s\n", error_name(errno)), (void)c, (void)c2, (void)c3, (void)c4;
    SHOW(accept(l, NULL, NULL));
    close(l), SHOW(recv(c3, &v, 1, MSG_DONTWAIT) <= 0 ? 1 : 0);
    return 0;
}
