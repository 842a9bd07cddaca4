// What poll says through the whole life of a connection, both ends.
#include "sockets.h"
#include <poll.h>
static void look(const char *when, int a, int b) {
    struct pollfd p[2] = {{a, POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM, 0}};
    p[1] = p[0], p[1].fd = b;
    int n = poll(p, 2, 0);
    printf("%s: %d client %03x server %03x\n", when, n, p[0].revents & ~POLLWRBAND, p[1].revents & ~POLLWRBAND);
}
int main(void) {
    signal(SIGPIPE, SIG_IGN);
    int port, server = listener(&port, 5);
    int client = NEED(socket(AF_INET, SOCK_STREAM, 0));
    look("fresh and listening", client, server);
    struct sockaddr_in a = loopback(port);
    NEED(connect(client, (struct sockaddr *)&a, sizeof a));
    look("arrived", client, server);
    int peer = NEED(accept(server, NULL, NULL));
    look("accepted", client, peer);
    NEED(write(client, "hello", 5));
    look("sent", client, peer);
    NEED(shutdown(client, SHUT_WR));
    look("client wrote its last", client, peer);
    char c[9];
    SHOW(read(peer, c, 9));
    SHOW(read(peer, c, 9));
    look("server read the end", client, peer);
    SHOW(write(client, "x", 1));
    SHOW(shutdown(peer, SHUT_RD));
    look("server reads no more", client, peer);
    SHOW(write(peer, "bye", 3));
    SHOW(shutdown(peer, SHUT_WR));
    look("both wrote their last", client, peer);
    SHOW(read(client, c, 9));
    SHOW(read(client, c, 9));
    look("all read", client, peer);
    close(peer);
    look("server closed", client, server);
    SHOW(shutdown(client, SHUT_RDWR));
    SHOW(send(client, "x", 1, 0));
    SHOW(shutdown(server, SHUT_RD));
    look("listener shut", client, server);
    SHOW(accept(server, NULL, NULL));
    return 0;
}
