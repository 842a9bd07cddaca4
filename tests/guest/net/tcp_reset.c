// Closing with unread bytes, or with a linger time of zero, resets the connection.
#include "sockets.h"
int main(void) {
    signal(SIGPIPE, SIG_IGN);
    int port, server = listener(&port, 5), client = dial(port), peer = NEED(accept(server, NULL, NULL));
    NEED(write(client, "unread", 6));
    await_input(peer);
    close(peer);
    char c;
    SHOW(read(client, &c, 1));
    client = dial(port);
    peer = NEED(accept(server, NULL, NULL));
    struct linger now = {1, 0};
    SHOW(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(peer);
    SHOW(read(client, &c, 1));
    SHOW(read(client, &c, 1));
    return 0;
}
