// IPv6 on the loopback: mapped addresses, both stacks, V6ONLY, UDP.
// libc: glibc
#include "sockets.h"
static struct sockaddr_in6 at6(int port) { return (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT}; }
static void name(struct sockaddr_in6 *a) {
    char t[64];
    printf("%d %s\n", a->sin6_family, inet_ntop(AF_INET6, &a->sin6_addr, t, 64));
}
int main(void) {
    int s = NEED(socket(AF_INET6, SOCK_STREAM, 0)), one = 1;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6}, a, got;
    socklen_t n = sizeof got;
    NEED(bind(s, (void *)&any, sizeof any)), NEED(listen(s, 4)), getsockname(s, (void *)&got, &n), name(&got);
    int port = ntohs(got.sin6_port), c4 = dial(port), p = NEED(accept(s, (void *)&got, &n));
    name(&got), getsockname(p, (void *)&got, &n), name(&got), close(p);
    int c6 = NEED(socket(AF_INET6, SOCK_STREAM, 0));
    a = at6(port), SHOW(connect(c6, (void *)&a, sizeof a)), p = NEED(accept(s, (void *)&got, &n)), name(&got), SHOW(send(p, "six", 3, 0)), SHOW(recv(c6, (char[8]){0}, 8, 0));
    // A port that nobody else on the host has, of either family: the socket that holds it for IPv4 does not listen.
    int only = -1, held = -1, four = NEED(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in b;
    do {
        close(only), close(held), only = NEED(socket(AF_INET6, SOCK_STREAM, 0)), held = NEED(socket(AF_INET, SOCK_STREAM, 0));
        b = loopback(0), NEED(bind(held, (void *)&b, sizeof b)), b = loopback(port_of(held)), a = at6(port_of(held));
        setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4);
    } while (bind(only, (void *)&a, sizeof a) == -1 && errno == EADDRINUSE);
    listen(only, 1), SHOW(connect(four, (void *)&b, sizeof b)), close(held), SHOW(bind(four, (void *)&b, sizeof b));
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
    int m = NEED(socket(AF_INET6, SOCK_STREAM, 0));
    SHOW(connect(m, (void *)&mapped, sizeof mapped)), n = sizeof got, getpeername(m, (void *)&got, &n), name(&got);
    int u = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), v = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
    a = at6(0), NEED(bind(u, (void *)&a, sizeof a)), n = sizeof a, getsockname(u, (void *)&a, &n), SHOW(sendto(v, "dgram", 5, 0, (void *)&a, sizeof a)), n = sizeof got, SHOW(recvfrom(u, (char[8]){0}, 8, 0, (void *)&got, &n)), name(&got);
    struct sockaddr_in6 far = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    inet_pton(AF_INET6, "2001:db8::1", &far.sin6_addr);
    SHOW(bind(NEED(socket(AF_INET6, SOCK_STREAM, 0)), (void *)&far, sizeof far)), SHOW(connect(c4, (void *)&b, 8));
    return 0;
}
