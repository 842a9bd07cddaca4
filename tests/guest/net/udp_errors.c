// Datagrams: refused ports come back as errors, too long ones, none, truncated, peeked, by connected peers only.
// libc: glibc
#include "sockets.h"
#include <poll.h>
int main(void) {
    int a = NEED(socket(AF_INET, SOCK_DGRAM, 0)), b = NEED(socket(AF_INET, SOCK_DGRAM, 0)), c = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in at = loopback(0), to, from;
    socklen_t n = sizeof from;
    bind(a, (void *)&at, sizeof at), bind(b, (void *)&at, sizeof at), to = loopback(port_of(b));
    static char big[70000];
    char t[8] = {0};
    SHOW(sendto(a, big, 65508, 0, (void *)&to, sizeof to)), SHOW(sendto(a, big, 65507, 0, (void *)&to, sizeof to)), SHOW(recv(b, big, 70000, 0)), SHOW(sendto(a, "", 0, 0, (void *)&to, sizeof to)), SHOW(recvfrom(b, t, 8, 0, (void *)&from, &n)), SHOW(ntohs(from.sin_port) == port_of(a)), SHOW(sendto(a, "abcdef", 6, 0, (void *)&to, sizeof to)), SHOW(recv(b, t, 2, MSG_PEEK)), SHOW(recv(b, t, 2, MSG_PEEK | MSG_TRUNC)), SHOW(recv(b, t, 2, 0)), SHOW(recv(b, t, 8, MSG_DONTWAIT));
    SHOW(sendto(a, "x", 1, 0, NULL, 0)), SHOW(sendto(a, "x", 1, 0, (void *)&to, 4)), to.sin_port = 0, SHOW(sendto(a, "x", 1, 0, (void *)&to, sizeof to));
    int gone = port_of(b);
    close(b), to = loopback(gone), SHOW(connect(c, (void *)&to, sizeof to)), SHOW(send(c, "x", 1, 0));
    struct pollfd p = {c, POLLIN, 0};
    SHOW(poll(&p, 1, 60000)), SHOW(p.revents), SHOW(recv(c, t, 8, MSG_DONTWAIT)), SHOW(recv(c, t, 8, MSG_DONTWAIT)), SHOW(send(c, "x", 1, 0));
    await_error(c), SHOW(send(c, "x", 1, 0)), to = loopback(port_of(a)), connect(c, (void *)&to, sizeof to), SHOW(send(c, "hello", 5, 0)), SHOW(recv(a, t, 8, 0)), SHOW(shutdown(c, SHUT_WR)), SHOW(send(c, "x", 1, MSG_NOSIGNAL)), SHOW(shutdown(a, SHUT_RDWR));
    return 0;
}
