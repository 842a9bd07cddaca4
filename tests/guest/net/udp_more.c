// UDP: connected sockets, errors that come back, truncation, packet information, shared ports.
#include "sockets.h"
#include <poll.h>
#include <sys/ioctl.h>
static int bound(int *port) {
    struct sockaddr_in a = loopback(0);
    int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    NEED(bind(fd, (struct sockaddr *)&a, sizeof a));
    *port = port_of(fd);
    return fd;
}
int main(void) {
    int pa, pb, pc, a = bound(&pa), b = bound(&pb), c = bound(&pc), n;
    struct sockaddr_in to = loopback(pb), from;
    socklen_t size = sizeof from;
    char bytes[65536];
    SHOW(connect(a, (struct sockaddr *)&to, sizeof to));
    SHOW(send(a, "hello", 5, 0));
    await_input(b);
    SHOW(ioctl(b, FIONREAD, &n));
    SHOW(n);
    SHOW(recvfrom(b, bytes, 2, MSG_PEEK, (struct sockaddr *)&from, &size));
    CHECK(ntohs(from.sin_port) == pa && size == sizeof from);
    SHOW(recv(b, bytes, 2, MSG_TRUNC));
    SHOW(recv(b, bytes, 2, MSG_DONTWAIT));
    to = loopback(pa);
    SHOW(sendto(c, "stranger", 8, 0, (struct sockaddr *)&to, sizeof to));
    SHOW(recv(a, bytes, 9, MSG_DONTWAIT));
    SHOW(sendto(b, "friend", 6, 0, (struct sockaddr *)&to, sizeof to));
    await_input(a);
    SHOW(recv(a, bytes, 9, MSG_DONTWAIT));
    close(b);
    SHOW(send(a, "gone", 4, 0));
    struct pollfd p = {a, POLLIN | POLLOUT, 0};
    await_error(a);
    SHOW(poll(&p, 1, 60000));
    printf("%x\n", p.revents & ~POLLWRBAND);
    SHOW(recv(a, bytes, 9, MSG_DONTWAIT));
    SHOW(recv(a, bytes, 9, MSG_DONTWAIT));
    SHOW(send(a, "gone", 4, 0));
    await_error(a);
    SHOW(send(a, "gone", 4, 0));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    SHOW(connect(a, &none, sizeof none));
    SHOW(send(a, "x", 1, 0));
    SHOW(getpeername(a, (struct sockaddr *)&from, &size));
    SHOW(shutdown(a, SHUT_RD));
    SHOW(sendto(c, bytes, 65507, 0, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(pc), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, sizeof to));
    SHOW(recv(c, bytes, sizeof bytes, 0));
    SHOW(sendto(c, bytes, 65508, 0, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(pc), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, sizeof to));
    int on = 1;
    NEED(setsockopt(c, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
    to = loopback(pc);
    SHOW(sendto(c, "info", 4, 0, (struct sockaddr *)&to, sizeof to));
    char control[128];
    struct iovec v = {bytes, 10};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    SHOW(recvmsg(c, &m, 0));
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h && h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO);
    struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(h);
    CHECK(info->ipi_addr.s_addr == htonl(INADDR_LOOPBACK) && info->ipi_ifindex == 1);
    int d = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    SHOW(bind(d, (struct sockaddr *)&to, sizeof to));
    SHOW(listen(d, 1));
    SHOW(accept(d, NULL, NULL));
    SHOW(sendto(d, "x", 1, 0, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, sizeof to));
    SHOW(setsockopt(d, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 50000}, sizeof(struct timeval)));
    SHOW(recv(d, bytes, 1, 0));
    return 0;
}
