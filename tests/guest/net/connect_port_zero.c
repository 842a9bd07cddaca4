// Datagram sockets that are connected to port 0: they get an address of their own, as getaddrinfo(3) asks for it.
// libc: glibc
#include "sockets.h"
#include <netdb.h>
static struct sockaddr none = {.sa_family = AF_UNSPEC};
static const char *text(struct sockaddr_storage *a) {
    static char t[80];
    void *at = a->ss_family == AF_INET ? (void *)&((struct sockaddr_in *)a)->sin_addr : (void *)&((struct sockaddr_in6 *)a)->sin6_addr;
    return inet_ntop(a->ss_family, at, t, sizeof t);
}
static int port(struct sockaddr_storage *a) { return ntohs(((struct sockaddr_in *)a)->sin_port); }
static void names(int fd) {
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    NEED(getsockname(fd, (void *)&a, &n));
    printf("  own %s, port %s\n", text(&a), port(&a) ? "some" : "none");
    n = sizeof a;
    int r = getpeername(fd, (void *)&a, &n);
    printf("  peer %s\n", r ? error_name(errno) : text(&a));
}
static void try(int fd, const char *to, int number, int domain) {
    struct sockaddr_in6 six = {AF_INET6, htons(number)};
    struct sockaddr_in four = {AF_INET, htons(number)};
    int is_four = inet_pton(AF_INET, to, &four.sin_addr);
    if (!is_four) inet_pton(AF_INET6, to, &six.sin6_addr);
    int r = is_four ? connect(fd, (void *)&four, sizeof four) : connect(fd, (void *)&six, sizeof six);
    printf("%s to %s port %d: %s\n", domain == AF_INET ? "IPv4" : "IPv6", to, number, r ? error_name(errno) : "ok");
    names(fd);
    SHOW(send(fd, "x", 1, 0)), SHOW(send(fd, "x", 1, 0));
    struct sockaddr_in zero = loopback(0);
    SHOW(sendto(fd, "x", 1, 0, (void *)&zero, sizeof zero));
}
int main(void) {
    static const char *const to[] = {"0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"};
    for (int domain = 0; domain < 2; domain++)
        for (int number = 0; number < 10; number += 9)
            for (int i = 0; i < 7; i++) {
                if (domain == 0 && i > 2) continue;
                int d = domain ? AF_INET6 : AF_INET, fd = NEED(socket(d, SOCK_DGRAM, 0));
                try(fd, to[i], number, d);
                SHOW(connect(fd, &none, sizeof none)), names(fd);
                try(fd, to[(i + 1) % (domain ? 7 : 3)], number, d);
                close(fd);
            }
    puts("who may send to a socket that is connected to port 0 of an address");
    int r = NEED(socket(AF_INET, SOCK_DGRAM, 0)), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = loopback(0), own = loopback(0);
    char b[8];
    NEED(bind(r, (void *)&a, sizeof a)), a = loopback(port_of(r));
    struct sockaddr_in peer = loopback(0);
    SHOW(connect(r, (void *)&peer, sizeof peer));
    SHOW(sendto(s, "one", 3, 0, (void *)&a, sizeof a)), SHOW(recv(r, b, 8, MSG_DONTWAIT));
    int t = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    NEED(bind(t, (void *)&own, sizeof own));
    SHOW(sendto(t, "two", 3, 0, (void *)&a, sizeof a)), SHOW(recv(r, b, 8, MSG_DONTWAIT));
    puts("getaddrinfo");
    struct addrinfo hint = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
    SHOW(getaddrinfo(NULL, "0", &hint, &found));
    for (struct addrinfo *i = found; i; i = i->ai_next) printf("family %d length %d\n", i->ai_family, i->ai_addrlen);
    return 0;
}
