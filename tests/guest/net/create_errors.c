// socket and socketpair: families, types and protocols that there are not.
// libc: glibc
#include "sockets.h"
int main(void) {
    int p[2];
    SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)), SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP)), SHOW(socket(AF_INET, 77, 0)), SHOW(socket(AF_INET, 0, 0)), SHOW(socket(-1, SOCK_STREAM, 0)), SHOW(socket(200, SOCK_STREAM, 0)), SHOW(socket(AF_UNIX, SOCK_STREAM, 5)), SHOW(socket(AF_UNIX, 77, 0)), SHOW(socket(AF_INET, SOCK_SEQPACKET, 0)), SHOW(socket(AF_INET, SOCK_STREAM, 999)), SHOW(socket(AF_UNIX, SOCK_STREAM | 0x100, 0)), SHOW(socket(AF_INET6, SOCK_DGRAM, IPPROTO_TCP));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, p)), SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8)), SHOW(socketpair(AF_UNIX, SOCK_STREAM, 3, p)), SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p)), SHOW(fcntl(p[0], F_GETFD)), SHOW(fcntl(p[1], F_GETFL) & O_NONBLOCK ? 1 : 0);
    return 0;
}
