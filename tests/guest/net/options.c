// Socket options that servers set, and what they read back.
#include "sockets.h"
#define GET(level, name)                                                                        \
    do {                                                                                        \
        int value_ = -1;                                                                        \
        socklen_t size_ = sizeof value_;                                                        \
        int result_ = getsockopt(fd, level, name, &value_, &size_);                             \
        if (result_ == -1) printf("%s: %s\n", #name, error_name(errno));                        \
        else printf("%s: %d (%u bytes)\n", #name, value_, size_);                               \
    } while (0)
int main(void) {
    int fd = NEED(socket(AF_INET, SOCK_STREAM, 0)), on = 1;
    GET(SOL_SOCKET, SO_TYPE);
    GET(SOL_SOCKET, SO_DOMAIN);
    GET(SOL_SOCKET, SO_PROTOCOL);
    GET(SOL_SOCKET, SO_ERROR);
    GET(SOL_SOCKET, SO_ACCEPTCONN);
    GET(SOL_SOCKET, SO_REUSEADDR);
    SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    GET(SOL_SOCKET, SO_REUSEADDR);
    SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    SHOW(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
    GET(SOL_SOCKET, SO_KEEPALIVE);
    SHOW(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    GET(IPPROTO_TCP, TCP_NODELAY);
    SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, 1));
    SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, (void *)16, 4));
    SHOW(setsockopt(fd, SOL_SOCKET, 9999, &on, sizeof on));
    SHOW(setsockopt(fd, IPPROTO_TCP, 9999, &on, sizeof on));
    GET(SOL_SOCKET, 9999);
    struct timeval t = {0, 20000};
    SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    int file = open("/dev/null", O_RDONLY);
    SHOW(setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    struct sockaddr_in a = loopback(0);
    NEED(bind(fd, (struct sockaddr *)&a, sizeof a));
    NEED(listen(fd, 5));
    GET(SOL_SOCKET, SO_ACCEPTCONN);
    return 0;
}
