// MSG_MORE and UDP_CORK gather one datagram: of both families, to where the first piece goes, up to the longest.
// libc: musl
#include "sockets.h"
#include <netinet/udp.h>
static int bound(int *port) {
    struct sockaddr_in a = loopback(0);
    int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    NEED(bind(fd, (void *)&a, sizeof a));
    *port = port_of(fd);
    return fd;
}
static char bytes[70000];
static void all(int fd) {
    long n;
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0) printf("  %ld bytes \"%.*s\"\n", n, n < 40 ? (int)n : 3, bytes);
}
static void cases(int s, int r, int other, int other_port) {
    int on = 1, off = 0, v = 7;
    socklen_t n = sizeof v;
    struct sockaddr_in to = loopback(other_port);
    SHOW(send(s, "abc", 3, MSG_MORE)), all(r), SHOW(send(s, "def", 3, MSG_MORE)), all(r), SHOW(send(s, "ghi", 3, 0)), all(r);
    SHOW(send(s, "abc", 3, MSG_MORE)), SHOW(send(s, "", 0, 0)), all(r);
    SHOW(send(s, "", 0, MSG_MORE)), SHOW(send(s, "x", 1, 0)), all(r);
    SHOW(send(s, "", 0, MSG_MORE)), SHOW(send(s, "", 0, 0)), all(r);
    SHOW(setsockopt(s, IPPROTO_UDP, UDP_CORK, &on, sizeof on)), SHOW(getsockopt(s, IPPROTO_UDP, UDP_CORK, &v, &n)), SHOW(v);
    SHOW(send(s, "abc", 3, 0)), SHOW(write(s, "def", 3)), all(r), SHOW(setsockopt(s, IPPROTO_UDP, UDP_CORK, &off, sizeof on)), all(r);
    SHOW(getsockopt(s, IPPROTO_UDP, UDP_CORK, &v, &n)), SHOW(v), SHOW(setsockopt(s, IPPROTO_UDP, UDP_CORK, &off, sizeof on)), all(r);
    puts("the first piece says where to");
    SHOW(send(s, "abc", 3, MSG_MORE)), SHOW(sendto(s, "def", 3, 0, (void *)&to, sizeof to)), all(r), all(other);
    puts("too long");
    SHOW(send(s, bytes, 65507, MSG_MORE)), SHOW(send(s, "x", 1, 0)), all(r), SHOW(send(s, "y", 1, 0)), all(r);
    SHOW(send(s, bytes, 65500, MSG_MORE)), SHOW(send(s, bytes, 7, 0)), all(r);
    puts("a piece of bad memory");
    SHOW(send(s, "abc", 3, MSG_MORE)), SHOW(send(s, (void *)8, 3, 0)), all(r), SHOW(send(s, "z", 1, 0)), all(r);
    puts("many messages");
    struct iovec one = {"one", 3}, two = {"two", 3};
    struct mmsghdr many[2] = {{{.msg_iov = &one, .msg_iovlen = 1}}, {{.msg_iov = &two, .msg_iovlen = 1}}};
    SHOW(sendmmsg(s, many, 2, MSG_MORE)), all(r), SHOW(send(s, "!", 1, 0)), all(r);
}
int main(void) {
    int port, other_port, r = bound(&port), other = bound(&other_port);
    struct sockaddr_in to = loopback(port);
    int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    NEED(connect(s, (void *)&to, sizeof to));
    cases(s, r, other, other_port);
    puts("IPv6 to a mapped address");
    int six = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 mapped = {AF_INET6, htons(port)};
    NEED(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr));
    NEED(connect(six, (void *)&mapped, sizeof mapped));
    cases(six, r, other, other_port);
    puts("corked and closed");
    int on = 1;
    SHOW(setsockopt(s, IPPROTO_UDP, UDP_CORK, &on, sizeof on)), SHOW(send(s, "lost", 4, 0)), SHOW(close(s)), all(r);
    return 0;
}
