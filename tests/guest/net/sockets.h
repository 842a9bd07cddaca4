// What the socket programs share: addresses on the loopback with a port of the kernel's choice.
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return a;
}

static inline int port_of(int fd) {
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    NEED(getsockname(fd, (struct sockaddr *)&a, &size));
    return ntohs(a.sin_port);
}

// Waits until there is something to read.
static inline void await_input(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    poll(&p, 1, -1);
}

// Waits until an error or a hang-up has come, and leaves it where it is.
static inline void await_error(int fd) {
    struct pollfd p = {fd, 0, 0};
    poll(&p, 1, -1);
}

// A listening TCP socket; `*port` is where.
static inline int listener(int *port, int backlog) {
    struct sockaddr_in a = loopback(0);
    int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
    NEED(bind(fd, (struct sockaddr *)&a, sizeof a));
    NEED(listen(fd, backlog));
    *port = port_of(fd);
    return fd;
}

static inline int dial(int port) {
    struct sockaddr_in a = loopback(port);
    int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
    NEED(connect(fd, (struct sockaddr *)&a, sizeof a));
    return fd;
}
