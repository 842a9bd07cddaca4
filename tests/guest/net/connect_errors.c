// connect: refused, nowhere, twice, non-blocking, wrong families, unspecified to dissolve.
// libc: musl
#include "sockets.h"
#include <poll.h>
int main(void) {
    int port, l = listener(&port, 2), s = NEED(socket(AF_INET, SOCK_STREAM, 0)), u = NEED(socket(AF_INET, SOCK_DGRAM, 0)), error;
    struct sockaddr_in a = loopback(port), b = a, far = {AF_INET, htons(80), {htonl(0x08080808)}}, none = {AF_UNSPEC}, odd = {77};
    socklen_t n = sizeof error;
    SHOW(connect(s, (void *)&a, 3)), SHOW(connect(s, (void *)&odd, sizeof odd)), SHOW(connect(s, (void *)8, sizeof a)), SHOW(connect(s, (void *)&a, sizeof a)), SHOW(connect(s, (void *)&a, sizeof a));
    close(l), close(s), s = NEED(socket(AF_INET, SOCK_STREAM, 0)), SHOW(connect(s, (void *)&a, sizeof a)), SHOW(getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &n)), SHOW(error), SHOW(send(s, "x", 1, MSG_NOSIGNAL)), SHOW(recv(s, &error, 1, 0));
    int nb = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    int r = connect(nb, (void *)&a, sizeof a);
    printf("%s\n", r == 0 || errno == EINPROGRESS || errno == ECONNREFUSED ? "refused or in progress" : error_name(errno));
    l = listener(&port, 2), a = loopback(port), nb = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), r = connect(nb, (void *)&a, sizeof a);
    printf("%s\n", r == 0 || errno == EINPROGRESS ? "in progress" : error_name(errno));
    struct pollfd p = {nb, POLLOUT, 0};
    SHOW(poll(&p, 1, 60000)), SHOW(p.revents), SHOW(getsockopt(nb, SOL_SOCKET, SO_ERROR, &error, &n)), SHOW(error);
    SHOW(connect(u, (void *)&b, sizeof b)), SHOW(getpeername(u, (void *)&b, &(socklen_t){sizeof b})), SHOW(connect(u, (void *)&none, sizeof none)), SHOW(getpeername(u, (void *)&b, &(socklen_t){sizeof b})), SHOW(send(u, "x", 1, 0));
    return 0;
}
