// SO_RCVTIMEO ends a read that waits too long.
#include "sockets.h"
int main(void) {
    int port, server = listener(&port, 5), client = dial(port);
    struct timeval t = {0, 20000};
    SHOW(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    char c;
    int64_t start = now_ms();
    SHOW(read(client, &c, 1));
    CHECK(now_ms() - start >= 18);
    SHOW(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    int peer = accept(server, NULL, NULL);
    CHECK(peer >= 0);
    SHOW(accept(server, NULL, NULL));
    return 0;
}
