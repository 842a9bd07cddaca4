// What sockets refuse: wrong families, states and addresses.
#include "sockets.h"
int main(void) {
    int port, server = listener(&port, 5);
    struct sockaddr_in a = loopback(port);
    int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
    SHOW(bind(fd, (struct sockaddr *)&a, sizeof a));
    SHOW(bind(fd, (struct sockaddr *)&a, 3));
    SHOW(bind(1, (struct sockaddr *)&a, sizeof a) == -1 && (errno == ENOTSOCK));
    struct sockaddr_in foreign = a;
    foreign.sin_addr.s_addr = inet_addr("192.0.2.1");
    foreign.sin_port = 0;
    SHOW(bind(fd, (struct sockaddr *)&foreign, sizeof foreign));
    SHOW(socket(AF_INET, 77, 0));
    SHOW(socket(77, SOCK_STREAM, 0));
    SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    SHOW(accept(fd, NULL, NULL));
    char c;
    SHOW(recv(fd, &c, 1, 0));
    SHOW(send(fd, &c, 1, MSG_NOSIGNAL));
    SHOW(shutdown(fd, SHUT_RDWR));
    SHOW(getpeername(fd, (struct sockaddr *)&a, &(socklen_t){sizeof a}));
    int client = dial(port);
    a = loopback(port);
    SHOW(connect(client, (struct sockaddr *)&a, sizeof a));
    SHOW(connect(server, (struct sockaddr *)&a, sizeof a) == -1);
    SHOW(shutdown(client, 9));
    SHOW(accept(0x7777, NULL, NULL));
    int p[2];
    NEED(pipe(p));
    SHOW(accept(p[0], NULL, NULL));
    SHOW(listen(client, 1));
    return 0;
}
