// Closing with unread data and with SO_LINGER 0 resets; shutdown's halves; reading after the peer's end.
// libc: glibc
#include "sockets.h"
#include <poll.h>
int main(void) {
    int port, l = listener(&port, 8), c, s, error;
    char t[8];
    socklen_t n = sizeof error;
    struct linger none = {1, 0};
    c = dial(port), s = NEED(accept(l, NULL, NULL)), send(c, "data", 4, 0), await_input(s), close(s), SHOW(recv(c, t, 8, 0)), SHOW(send(c, "x", 1, MSG_NOSIGNAL)), close(c);
    c = dial(port), s = NEED(accept(l, NULL, NULL)), setsockopt(s, SOL_SOCKET, SO_LINGER, &none, sizeof none), close(s), await_error(c);
    struct pollfd p = {c, POLLIN | POLLOUT | POLLRDHUP, 0};
    SHOW(poll(&p, 1, 60000)), SHOW(p.revents), SHOW(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &n)), printf("%s\n", error_name(error)), SHOW(recv(c, t, 8, 0)), close(c);
    c = dial(port), s = NEED(accept(l, NULL, NULL)), SHOW(shutdown(c, SHUT_WR)), SHOW(recv(s, t, 8, 0)), SHOW(send(s, "late", 4, 0)), SHOW(recv(c, t, 8, 0)), SHOW(send(c, "x", 1, MSG_NOSIGNAL)), SHOW(shutdown(c, SHUT_WR)), SHOW(shutdown(c, 9)), SHOW(shutdown(s, SHUT_RD)), SHOW(recv(s, t, 8, 0)), close(s), SHOW(recv(c, t, 8, 0)), SHOW(recv(c, t, 8, 0)), SHOW(shutdown(l, SHUT_RD) == 0 ? 0 : -1);
    int fresh = NEED(socket(AF_INET, SOCK_STREAM, 0));
    SHOW(shutdown(fresh, SHUT_WR)), SHOW(recv(fresh, t, 1, 0)), SHOW(send(fresh, "x", 1, MSG_NOSIGNAL)), SHOW(listen(fresh, 1)), SHOW(port_of(fresh) > 0);
    return 0;
}
