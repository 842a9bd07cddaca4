// Writing to a connection whose peer is gone: EPIPE or ECONNRESET, and SIGPIPE only if nothing says otherwise.
#include "sockets.h"
#include <poll.h>
static volatile sig_atomic_t caught;
static void note(int number) { caught = number; }
int main(void) {
    signal(SIGPIPE, note);
    int port, server = listener(&port, 5), client = dial(port), peer = NEED(accept(server, NULL, NULL));
    close(peer);
    struct pollfd poll_ = {client, POLLIN | POLLRDHUP};
    SHOW(poll(&poll_, 1, 60000));
    printf("%x\n", poll_.revents);
    char c;
    SHOW(read(client, &c, 1));
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    await_error(client);
    CHECK(send(client, "x", 1, MSG_NOSIGNAL) == -1 && (errno == EPIPE || errno == ECONNRESET));
    CHECK(caught == 0);
    CHECK(write(client, "x", 1) == -1 && errno == EPIPE);
    CHECK(caught == SIGPIPE);
    int second = dial(port);
    NEED(peer = accept(server, NULL, NULL));
    SHOW(shutdown(second, SHUT_WR));
    SHOW(send(second, "x", 1, MSG_NOSIGNAL));
    SHOW(shutdown(peer, SHUT_RD));
    return 0;
}
