// SO_REUSEPORT: several listeners on a port share its connections; without it the second is refused.
// libc: glibc
#include "sockets.h"
#include <poll.h>
int main(void) {
    int one = 1, l[3], got = 0;
    struct sockaddr_in a = loopback(0);
    for (int i = 0; i < 3; i++) {
        l[i] = NEED(socket(AF_INET, SOCK_STREAM, 0));
        if (i < 2) setsockopt(l[i], SOL_SOCKET, SO_REUSEPORT, &one, 4);
        SHOW(bind(l[i], (void *)&a, sizeof a));
        if (i < 2) SHOW(listen(l[i], 64));
        if (i == 0) a = loopback(port_of(l[0]));
    }
    for (int i = 0; i < 40; i++) dial(ntohs(a.sin_port));
    struct pollfd both[2] = {{l[0], POLLIN, 0}, {l[1], POLLIN, 0}};
    for (int i = 0; i < 2; i++) fcntl(l[i], F_SETFL, O_NONBLOCK);
    while (got < 40 && poll(both, 2, 60000) > 0)
        for (int i = 0; i < 2; i++) while (accept(l[i], NULL, NULL) >= 0) got++;
    SHOW(got), close(l[0]), SHOW(dial(ntohs(a.sin_port)) > 0);
    struct pollfd p = {l[1], POLLIN, 0};
    SHOW(poll(&p, 1, 60000));
    return 0;
}
