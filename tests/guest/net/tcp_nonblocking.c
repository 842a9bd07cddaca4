// Non-blocking sockets: accept and read answer EAGAIN, connect is under way or done, poll tells.
#include "sockets.h"
#include <poll.h>
int main(void) {
    struct sockaddr_in a = loopback(0);
    int server = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    NEED(bind(server, (struct sockaddr *)&a, sizeof a));
    NEED(listen(server, 5));
    SHOW(accept(server, NULL, NULL));
    struct pollfd poll_ = {server, POLLIN};
    SHOW(poll(&poll_, 1, 0));
    a = loopback(port_of(server));
    int client = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    CHECK(connect(client, (struct sockaddr *)&a, sizeof a) == 0 || errno == EINPROGRESS);
    struct pollfd out = {client, POLLOUT};
    SHOW(poll(&out, 1, 60000));
    int error = -1;
    SHOW(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}));
    printf("%d\n", error);
    SHOW(poll(&poll_, 1, 60000));
    printf("%x\n", poll_.revents);
    int peer = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(peer >= 0);
    CHECK(fcntl(peer, F_GETFL) & O_NONBLOCK);
    SHOW(fcntl(peer, F_GETFD));
    char c;
    SHOW(read(peer, &c, 1));
    SHOW(recv(client, &c, 1, MSG_DONTWAIT));
    static char block[65536];
    long total = 0;
    for (ssize_t put; (put = write(client, block, sizeof block)) > 0;) total += put;
    printf("%s\n", error_name(errno));
    CHECK(total >= 65536);
    long got = 0;
    for (ssize_t n = 1; got < total && n > 0; got += n) await_input(peer), n = read(peer, block, sizeof block);
    CHECK(got == total);
    return 0;
}
