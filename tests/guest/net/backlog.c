// A backlog that is full, and connections that end before they are accepted.
// libc: musl
#include "sockets.h"
#include <poll.h>
int main(void) {
    int port, l = listener(&port, 2), made = 0;
    struct sockaddr_in a = loopback(port);
    int c[3];
    for (int i = 0; i < 3; i++) c[i] = dial(port), made++;
    SHOW(made), SHOW(send(c[0], "early", 5, 0)), close(c[1]), shutdown(c[2], SHUT_WR);
    char t[8] = {0};
    int s = NEED(accept(l, NULL, NULL));
    SHOW(recv(s, t, 8, 0)), printf("%s\n", t), s = NEED(accept(l, NULL, NULL)), SHOW(recv(s, t, 8, 0)), s = NEED(accept(l, NULL, NULL)), SHOW(recv(s, t, 8, 0)), SHOW(send(s, "late", 4, 0)), SHOW(recv(c[2], t, 8, 0)), (void)a;
    return 0;
}
