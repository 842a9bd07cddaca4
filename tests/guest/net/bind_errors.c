// bind: ports in use, addresses of others, short and long addresses, wrong families, twice.
// libc: glibc
#include "sockets.h"
int main(void) {
    int s = NEED(socket(AF_INET, SOCK_STREAM, 0)), t = NEED(socket(AF_INET, SOCK_STREAM, 0)), u = NEED(socket(AF_INET, SOCK_DGRAM, 0)), six = NEED(socket(AF_INET6, SOCK_STREAM, 0));
    struct sockaddr_in a = loopback(0), far = {AF_INET, 0, {htonl(0xc0000201)}}, odd = {AF_UNIX}, unspec = {AF_UNSPEC};
    SHOW(bind(s, (void *)&a, 4)), SHOW(bind(s, (void *)&a, 200)), SHOW(bind(s, (void *)8, sizeof a)), SHOW(bind(s, (void *)&odd, sizeof odd)), SHOW(bind(s, (void *)&far, sizeof far)), SHOW(bind(s, (void *)&a, sizeof a)), SHOW(bind(s, (void *)&a, sizeof a));
    a.sin_port = htons(port_of(s)), SHOW(bind(t, (void *)&a, sizeof a)), SHOW(bind(u, (void *)&a, sizeof a)), SHOW(listen(s, 1)), SHOW(listen(u, 1)), SHOW(bind(six, (void *)&a, sizeof a)), SHOW(bind(t, (void *)&unspec, sizeof unspec)), SHOW(listen(s, -1)), SHOW(connect(s, (void *)&a, sizeof a));
    int one = 1;
    setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &one, 4), a.sin_port = htons(port_of(s)), close(t), t = NEED(socket(AF_INET, SOCK_STREAM, 0)), setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &one, 4), SHOW(bind(t, (void *)&a, sizeof a)), a.sin_addr.s_addr = INADDR_ANY, SHOW(bind(t, (void *)&a, sizeof a));
    SHOW(getsockname(s, (void *)&a, NULL)), SHOW(getsockname(s, NULL, &(socklen_t){16})), SHOW(getsockname(s, (void *)&a, &(socklen_t){-1})), SHOW(getpeername(s, (void *)&a, &(socklen_t){16}));
    return 0;
}
