// Receives and sends of no bytes: on empty, full, closed and datagram sockets.
// libc: musl
#include "sockets.h"
int main(void) {
    int port, l = listener(&port, 2), c = dial(port), s = NEED(accept(l, NULL, NULL)), p[2], d[2];
    char t[4];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, p)), NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    SHOW(recv(s, t, 0, MSG_DONTWAIT)), SHOW(read(s, t, 0)), SHOW(send(c, t, 0, 0)), SHOW(write(c, t, 0)), SHOW(recv(s, t, 1, MSG_DONTWAIT)), SHOW(send(c, "ab", 2, 0)), SHOW(recv(s, t, 0, 0)), SHOW(recv(s, t, 0, MSG_PEEK)), SHOW(recv(s, t, 4, 0)), SHOW(read(p[0], t, 0)), SHOW(recv(p[0], t, 0, MSG_DONTWAIT)), SHOW(send(p[1], t, 0, 0)), SHOW(recv(p[0], t, 1, MSG_DONTWAIT)), SHOW(send(d[0], t, 0, 0)), SHOW(recv(d[1], t, 4, MSG_DONTWAIT)), SHOW(recv(d[1], t, 4, MSG_DONTWAIT));
    close(c), SHOW(recv(s, t, 0, 0)), SHOW(recv(s, t, 1, 0)), SHOW(read(p[0], NULL, 0));
    return 0;
}
