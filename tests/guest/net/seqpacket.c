// Sequenced packets keep their bounds; ends of records, truncation, shutdown, closed peers, full buffers.
// libc: glibc
#include "sockets.h"
#include <poll.h>
int main(void) {
    int p[2], n = 0;
    char t[16] = {0};
    NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
    SHOW(send(p[0], "one", 3, 0)), SHOW(send(p[0], "", 0, 0)), SHOW(send(p[0], "three", 5, MSG_EOR)), SHOW(recv(p[1], t, 16, 0)), SHOW(recv(p[1], t, 16, MSG_DONTWAIT)), SHOW(recv(p[1], t, 2, MSG_TRUNC)), SHOW(recv(p[1], t, 16, MSG_DONTWAIT));
    struct iovec v[2] = {{t, 2}, {t + 2, 14}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    send(p[0], "abcdef", 6, 0), SHOW(recvmsg(p[1], &m, 0)), SHOW(m.msg_flags), v[1].iov_len = 1, send(p[0], "abcdef", 6, 0), SHOW(recvmsg(p[1], &m, 0)), SHOW(m.msg_flags == MSG_TRUNC), send(p[0], "abcdef", 6, 0), SHOW(read(p[1], t, 3)), SHOW(recv(p[1], t, 3, MSG_DONTWAIT));
    static char big[1 << 20];
    SHOW(send(p[0], big, sizeof big, MSG_DONTWAIT));
    while (send(p[0], big, 1000, MSG_DONTWAIT) == 1000 && n < 100000) n++;
    printf("%s\n", error_name(errno)), CHECK(n > 10);
    struct pollfd q = {p[0], POLLOUT, 0};
    SHOW(poll(&q, 1, 0)), SHOW(shutdown(p[0], SHUT_WR));
    while (recv(p[1], big, 2000, MSG_DONTWAIT) == 1000) n--;
    SHOW(n), SHOW(recv(p[1], t, 16, MSG_DONTWAIT)), SHOW(send(p[1], "back", 4, 0)), close(p[1]), SHOW(recv(p[0], t, 16, 0)), SHOW(recv(p[0], t, 16, 0)), SHOW(send(p[0], "x", 1, MSG_NOSIGNAL));
    return 0;
}
