// SO_TIMESTAMP and SO_TIMESTAMPNS: the time of arrival beside a datagram.
// libc: musl
#include "sockets.h"
#include <sys/time.h>
static void got(int s, int type, const char *what) {
    char t[8], control[256];
    struct iovec v = {t, 8};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    SHOW(recvmsg(s, &m, 0));
    int found = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        long seconds;
        memcpy(&seconds, CMSG_DATA(c), 8);
        found += c->cmsg_level == SOL_SOCKET && c->cmsg_type == type && labs(seconds - time(NULL)) < 100;
        printf("length %d\n", (int)(c->cmsg_len - CMSG_LEN(0)));
    }
    printf("%s: %d\n", what, found);
}
int main(void) {
    int s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), c = NEED(socket(AF_INET, SOCK_DGRAM, 0)), one = 1, zero = 0, v = 7;
    socklen_t n = sizeof v;
    struct sockaddr_in a = loopback(0);
    bind(s, (void *)&a, sizeof a), a = loopback(port_of(s)), connect(c, (void *)&a, sizeof a);
    SHOW(setsockopt(s, SOL_SOCKET, 29, &one, 4)), SHOW(getsockopt(s, SOL_SOCKET, 29, &v, &n)), SHOW(v), send(c, "x", 1, 0), got(s, 29, "timeval");
    SHOW(setsockopt(s, SOL_SOCKET, 35, &one, 4)), SHOW(getsockopt(s, SOL_SOCKET, 29, &v, &n)), SHOW(v), send(c, "x", 1, 0), got(s, 35, "timespec");
    SHOW(setsockopt(s, SOL_SOCKET, 35, &zero, 4)), send(c, "x", 1, 0), got(s, 35, "none");
    int p[2];
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, p)), SHOW(setsockopt(p[0], SOL_SOCKET, 29, &one, 4)), send(p[1], "x", 1, 0), got(p[0], 29, "unix");
    return 0;
}
