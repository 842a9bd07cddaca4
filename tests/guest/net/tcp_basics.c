// A TCP connection on the loopback: both ends, both directions, addresses, half close and end.
#include "sockets.h"
int main(void) {
    int port, server = listener(&port, 5), client = dial(port);
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int peer = NEED(accept(server, (struct sockaddr *)&from, &size));
    CHECK(size == sizeof from && from.sin_family == AF_INET && ntohl(from.sin_addr.s_addr) == INADDR_LOOPBACK);
    CHECK(ntohs(from.sin_port) == port_of(client));
    SHOW(getpeername(client, (struct sockaddr *)&from, &size));
    CHECK(ntohs(from.sin_port) == port);
    char bytes[32] = {0};
    SHOW(write(client, "request", 7));
    SHOW(read(peer, bytes, sizeof bytes));
    puts(bytes);
    SHOW(send(peer, "answer", 6, 0));
    SHOW(recv(client, bytes, 3, MSG_PEEK));
    SHOW(recv(client, bytes, sizeof bytes, 0));
    SHOW(shutdown(client, SHUT_WR));
    SHOW(read(peer, bytes, sizeof bytes));
    SHOW(write(peer, "late", 4));
    SHOW(read(client, bytes, sizeof bytes));
    SHOW(close(peer));
    SHOW(read(client, bytes, sizeof bytes));
    SHOW(close(client));
    SHOW(close(server));
    struct sockaddr_in gone = loopback(port);
    SHOW(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&gone, sizeof gone));
    return 0;
}
