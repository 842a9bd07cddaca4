// Urgent data: in and out of line, at the mark, and polled for.
// libc: glibc
#include "sockets.h"
#include <poll.h>
#include <sys/ioctl.h>
int main(void) {
    int port, l = listener(&port, 2), c = dial(port), s = NEED(accept(l, NULL, NULL)), mark, one = 1;
    char t[16] = {0};
    SHOW(recv(s, t, 1, MSG_OOB)), SHOW(ioctl(s, SIOCATMARK, &mark)), SHOW(send(c, "abc", 3, 0)), SHOW(send(c, "X", 1, MSG_OOB)), SHOW(send(c, "def", 3, 0));
    struct pollfd p = {s, POLLIN | POLLPRI, 0};
    SHOW(poll(&p, 1, 60000)), SHOW(p.revents), SHOW(recv(s, t, 16, 0)), printf("%.3s\n", t), SHOW(ioctl(s, SIOCATMARK, &mark)), SHOW(mark), SHOW(recv(s, t, 1, MSG_OOB)), printf("%c\n", t[0]), SHOW(recv(s, t, 1, MSG_OOB)), SHOW(recv(s, t, 16, 0)), printf("%.3s\n", t);
    SHOW(setsockopt(s, SOL_SOCKET, SO_OOBINLINE, &one, 4)), SHOW(send(c, "12", 2, MSG_OOB)), SHOW(send(c, "3", 1, 0));
    do ioctl(s, FIONREAD, &mark);
    while (mark < 3);
    SHOW(recv(s, t, 16, 0)), SHOW(recv(s, t, 16, 0)), SHOW(recv(s, t, 1, MSG_OOB));
    return 0;
}
