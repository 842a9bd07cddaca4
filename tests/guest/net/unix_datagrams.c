// Unix datagrams: unnamed senders, connected ones, full receivers, gone receivers, order.
// libc: musl
#include "sockets.h"
#include <sys/un.h>
int main(void) {
    struct sockaddr_un r = {AF_UNIX, "\0guest-dgram-r"}, s = {AF_UNIX, "\0guest-dgram-s"}, from;
    socklen_t n = 2 + 14, f;
    int a = NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), b = NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), c = NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), count = 0;
    char t[16];
    SHOW(sendto(a, "x", 1, 0, (void *)&r, n)), NEED(bind(b, (void *)&r, n)), SHOW(sendto(a, "hello", 5, 0, (void *)&r, n)), f = sizeof from, SHOW(recvfrom(b, t, 16, 0, (void *)&from, &f)), SHOW(f), NEED(bind(a, (void *)&s, n)), SHOW(sendto(a, "named", 5, 0, (void *)&r, n)), f = sizeof from, SHOW(recvfrom(b, t, 16, 0, (void *)&from, &f)), SHOW(f), SHOW(sendto(b, "reply", 5, 0, (void *)&from, f)), SHOW(recv(a, t, 16, 0));
    SHOW(connect(b, (void *)&s, n)), SHOW(sendto(c, "x", 1, 0, (void *)&r, n)), SHOW(send(a, "x", 1, 0)), SHOW(connect(c, (void *)&r, n));
    struct sockaddr_un none = {AF_UNSPEC};
    SHOW(connect(b, (void *)&none, sizeof none)), SHOW(connect(c, (void *)&r, n));
    while (send(c, "fill", 4, MSG_DONTWAIT) == 4 && count < 100000) count++;
    printf("%s\n", error_name(errno)), CHECK(count > 1), SHOW(recv(b, t, 16, 0)), SHOW(send(c, "more", 4, MSG_DONTWAIT)), close(b), SHOW(send(c, "x", 1, MSG_NOSIGNAL)), SHOW(send(c, "x", 1, MSG_NOSIGNAL)), SHOW(recv(a, t, 16, MSG_DONTWAIT)), SHOW(listen(a, 1)), SHOW(accept(a, NULL, NULL));
    return 0;
}
