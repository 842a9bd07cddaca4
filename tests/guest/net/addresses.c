// Wildcard and IPv6 loopback addresses, and what getsockname says of them.
#include "sockets.h"
int main(void) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
    SHOW(bind(fd, (struct sockaddr *)&any, sizeof any));
    SHOW(listen(fd, 5));
    socklen_t size = sizeof any;
    SHOW(getsockname(fd, (struct sockaddr *)&any, &size));
    CHECK(any.sin_addr.s_addr == 0 && any.sin_port != 0);
    int client = dial(ntohs(any.sin_port));
    CHECK(client >= 0);
    int peer = accept(fd, NULL, NULL);
    SHOW(getsockname(peer, (struct sockaddr *)&any, &size));
    CHECK(any.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    size = 4;
    SHOW(getsockname(peer, (struct sockaddr *)&any, &size));
    printf("%u\n", size);
    SHOW(getsockname(peer, (struct sockaddr *)16, &size));
    char text[64];
    puts(inet_ntop(AF_INET, &any.sin_addr, text, sizeof text));
    struct in6_addr six;
    SHOW(inet_pton(AF_INET6, "2001:db8::1", &six));
    puts(inet_ntop(AF_INET6, &six, text, sizeof text));
    return 0;
}
