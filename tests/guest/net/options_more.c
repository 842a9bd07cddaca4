// Options: lengths, bounds, what is read back, what cannot be set.
#include "sockets.h"
#include <netinet/udp.h>
static void get(int fd, const char *what, int level, int name, socklen_t size) {
    unsigned char value[64];
    memset(value, 0xee, sizeof value);
    socklen_t got = size;
    if (getsockopt(fd, level, name, value, &got) == -1) { printf("%s/%d: %s\n", what, (int)size, error_name(errno)); return; }
    printf("%s/%d: size %d", what, (int)size, (int)got);
    for (socklen_t i = 0; i < got && i < 8; i++) printf(" %02x", value[i]);
    printf("\n");
}
static void set(int fd, const char *what, int level, int name, int value) {
    printf("set %s %d: %s\n", what, value, setsockopt(fd, level, name, &value, sizeof value) == -1 ? error_name(errno) : "ok");
    get(fd, what, level, name, 4);
}
#define SET(fd, level, name, value) set(fd, #name, level, name, value)
#define GET(fd, level, name, size) get(fd, #name, level, name, size)
int main(void) {
    int t = NEED(socket(AF_INET, SOCK_STREAM, 0)), u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    int t6 = NEED(socket(AF_INET6, SOCK_STREAM, 0)), x = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    SET(t, SOL_SOCKET, SO_KEEPALIVE, 7);
    SET(t, SOL_SOCKET, SO_REUSEADDR, 1);
    SET(t, SOL_SOCKET, SO_BROADCAST, 1);
    SET(t, SOL_SOCKET, SO_OOBINLINE, 1);
    SET(t, SOL_SOCKET, SO_PRIORITY, 3);
    SET(t, SOL_SOCKET, SO_RCVLOWAT, 0);
    SET(t, SOL_SOCKET, SO_RCVLOWAT, 100);
    SET(t, SOL_SOCKET, SO_SNDLOWAT, 100);
    SET(t, SOL_SOCKET, SO_TYPE, 1);
    SET(t, SOL_SOCKET, SO_ERROR, 1);
    SET(t, SOL_SOCKET, SO_DOMAIN, 1);
    SET(t, SOL_SOCKET, 9999, 1);
    SET(u, SOL_SOCKET, SO_SNDBUF, 10000);
    SET(u, SOL_SOCKET, SO_RCVBUF, 10000);
    SET(u, SOL_SOCKET, SO_RCVBUF, 1);
    SET(u, SOL_SOCKET, SO_SNDBUF, 1);
    GET(t, SOL_SOCKET, SO_TYPE, 4);
    GET(t, SOL_SOCKET, SO_TYPE, 2);
    GET(t, SOL_SOCKET, SO_TYPE, 0);
    GET(t, SOL_SOCKET, SO_PROTOCOL, 4);
    GET(u, SOL_SOCKET, SO_PROTOCOL, 4);
    GET(t6, SOL_SOCKET, SO_DOMAIN, 4);
    GET(x, SOL_SOCKET, SO_PROTOCOL, 4);
    GET(t, SOL_SOCKET, SO_LINGER, 8);
    GET(t, SOL_SOCKET, SO_LINGER, 3);
    GET(t, SOL_SOCKET, SO_RCVTIMEO, 16);
    GET(t, SOL_SOCKET, SO_ACCEPTCONN, 4);
    SET(t, IPPROTO_TCP, TCP_NODELAY, 5);
    SET(t, IPPROTO_TCP, TCP_CORK, 1);
    SET(t, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    SET(t, IPPROTO_TCP, TCP_KEEPIDLE, 0);
    SET(t, IPPROTO_TCP, TCP_KEEPINTVL, 40000);
    SET(t, IPPROTO_TCP, TCP_KEEPCNT, 128);
    SET(t, IPPROTO_TCP, TCP_SYNCNT, 3);
    SET(t, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
    SET(t, IPPROTO_TCP, TCP_USER_TIMEOUT, -1);
    SET(t, IPPROTO_TCP, TCP_LINGER2, 5);
    SET(t, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
    SET(t, IPPROTO_TCP, TCP_QUICKACK, 0);
    SET(t, IPPROTO_TCP, 999, 1);
    SET(u, IPPROTO_TCP, TCP_NODELAY, 1);
    SET(x, IPPROTO_TCP, TCP_NODELAY, 1);
    SET(u, IPPROTO_UDP, 999, 1);
    SET(u, IPPROTO_UDP, UDP_CORK, 0);
    SET(t, IPPROTO_IP, IP_TOS, 0x10);
    SET(t, IPPROTO_IP, IP_TTL, 32);
    SET(t, IPPROTO_IP, IP_TTL, 0);
    SET(t, IPPROTO_IP, IP_TTL, 256);
    SET(t, IPPROTO_IP, 999, 1);
    SET(u, IPPROTO_IP, IP_MULTICAST_TTL, 4);
    SET(u, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
    SET(u, IPPROTO_IP, IP_PKTINFO, 1);
    SET(t6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    SET(t6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9);
    SET(t6, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
    SET(t, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    SET(x, SOL_SOCKET, SO_PASSCRED, 1);
    char cc[32] = "reno";
    SHOW(setsockopt(t, IPPROTO_TCP, TCP_CONGESTION, cc, 4));
    socklen_t size = sizeof cc;
    SHOW(getsockopt(t, IPPROTO_TCP, TCP_CONGESTION, cc, &size));
    printf("%s %d\n", cc, (int)size);
    SHOW(setsockopt(t, IPPROTO_TCP, TCP_CONGESTION, "bogus", 5));
    SHOW(setsockopt(t, IPPROTO_TCP, TCP_ULP, "tls", 3) == -1);
    SHOW(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, cc, 2));
    SHOW(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, NULL, 4));
    SHOW(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, cc, -1));
    SHOW(setsockopt(0x7777, SOL_SOCKET, SO_KEEPALIVE, cc, 4));
    return 0;
}
