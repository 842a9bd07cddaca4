// Threads that wait in accept, recv, send and poll, and what wakes them.
#include "asleep.h"
#include "sockets.h"
#include <poll.h>
static int fd;
static pid_t blocked;
static char big[1 << 20];
static void *in_accept(void *unused) {
    announce(&blocked);
    SHOW(accept(fd, NULL, NULL));
    return unused;
}
static void *in_recv(void *unused) {
    char c;
    announce(&blocked);
    SHOW(recv(fd, &c, 1, 0));
    return unused;
}
static void *in_poll(void *unused) {
    struct pollfd p = {fd, POLLIN | POLLRDHUP, 0};
    announce(&blocked);
    SHOW(poll(&p, 1, 60000));
    printf("%x\n", p.revents);
    return unused;
}
static void *in_send(void *unused) {
    ssize_t sent = 0, n;
    announce(&blocked);
    while ((n = send(fd, big, sizeof big, MSG_NOSIGNAL)) > 0) sent += n;
    printf("sent something: %d, then %s\n", sent > 0, error_name(errno));
    return unused;
}
static pthread_t start(void *(*body)(void *)) {
    pthread_t t;
    blocked = 0;
    pthread_create(&t, NULL, body, NULL);
    await_announced(&blocked);
    return t;
}
// Ends a wait and shows what came of both, in an order that does not depend on who runs first.
static void wake(pthread_t t, int shut, int how) {
    int result = shutdown(shut, how);
    pthread_join(t, NULL);
    printf("shutdown %d: %d\n", how, result);
}
int main(void) {
    int port, server = listener(&port, 5);
    int client = dial(port), peer = NEED(accept(server, NULL, NULL));
    fd = server;
    wake(start(in_accept), server, SHUT_RDWR);
    SHOW(listen(server, 5));
    port = port_of(server);
    fd = peer;
    wake(start(in_recv), peer, SHUT_RD);
    fd = client;
    wake(start(in_poll), peer, SHUT_WR);
    int second = dial(port), other = NEED(accept(server, NULL, NULL));
    fd = second;
    pthread_t t = start(in_send);
    close(other);
    pthread_join(t, NULL);
    int third = dial(port);
    other = NEED(accept(server, NULL, NULL));
    fd = third;
    wake(start(in_send), third, SHUT_WR);
    return 0;
}
