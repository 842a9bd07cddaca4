// Socket calls on files and descriptors that are none.
// libc: musl
#include "sockets.h"
int main(void) {
    struct sockaddr_in a = loopback(1);
    socklen_t n = sizeof a;
    int v = 1, file = NEED(open("/dev/null", O_RDWR));
    struct msghdr m = {0};
    int fds[2] = {file, 99};
    for (int i = 0; i < 2; i++) {
        int fd = fds[i];
        SHOW(bind(fd, (void *)&a, n)), SHOW(connect(fd, (void *)&a, n)), SHOW(listen(fd, 1)), SHOW(accept(fd, NULL, NULL)), SHOW(getsockname(fd, (void *)&a, &n)), SHOW(getpeername(fd, (void *)&a, &n)), SHOW(send(fd, "x", 1, 0)), SHOW(recv(fd, &v, 1, 0)), SHOW(sendmsg(fd, &m, 0)), SHOW(recvmsg(fd, &m, 0)), SHOW(shutdown(fd, 2)), SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 4)), SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &n)), SHOW(sendto(fd, "x", 1, 0, (void *)&a, n)), SHOW(accept4(fd, NULL, NULL, 0));
    }
    return 0;
}
