// Socket options: what is read back, lengths, unknown ones, levels, values out of range.
// libc: musl
#include "sockets.h"
#include <sys/time.h>
static int get(int s, int level, int option) {
    int v = -7;
    socklen_t n = sizeof v;
    return getsockopt(s, level, option, &v, &n) ? -1 : v;
}
static int set(int s, int level, int option, int v) { return setsockopt(s, level, option, &v, sizeof v); }
int main(void) {
    int s = NEED(socket(AF_INET, SOCK_STREAM, 0)), u = NEED(socket(AF_INET, SOCK_DGRAM, 0)), x = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), six = NEED(socket(AF_INET6, SOCK_STREAM, 0));
    int options[] = {SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_REUSEPORT, SO_RCVLOWAT, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN, SO_PRIORITY, SO_MARK};
    for (int i = 0; i < 14; i++) printf("%d: %d %d %d\n", options[i], get(s, SOL_SOCKET, options[i]), get(u, SOL_SOCKET, options[i]), get(x, SOL_SOCKET, options[i]));
    SHOW(set(s, SOL_SOCKET, SO_TYPE, 1)), SHOW(set(s, SOL_SOCKET, SO_ERROR, 1)), SHOW(set(s, SOL_SOCKET, SO_REUSEADDR, 9)), SHOW(get(s, SOL_SOCKET, SO_REUSEADDR)), SHOW(set(s, SOL_SOCKET, 9999, 1)), SHOW(get(s, SOL_SOCKET, 9999)), SHOW(set(s, 77, 1, 1)), SHOW(get(s, 77, 1)), SHOW(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, "x", 1)), SHOW(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4)), SHOW(set(s, SOL_SOCKET, SO_PRIORITY, 3)), SHOW(get(s, SOL_SOCKET, SO_PRIORITY));
    SHOW(get(s, IPPROTO_TCP, TCP_NODELAY)), SHOW(set(s, IPPROTO_TCP, TCP_NODELAY, 1)), SHOW(get(s, IPPROTO_TCP, TCP_NODELAY)), SHOW(set(s, IPPROTO_TCP, TCP_KEEPIDLE, 10)), SHOW(get(s, IPPROTO_TCP, TCP_KEEPIDLE)), SHOW(set(s, IPPROTO_TCP, TCP_KEEPIDLE, 0)), SHOW(set(s, IPPROTO_TCP, TCP_KEEPINTVL, 5)), SHOW(get(s, IPPROTO_TCP, TCP_KEEPINTVL)), SHOW(set(s, IPPROTO_TCP, TCP_KEEPCNT, 200)), SHOW(set(s, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)), SHOW(get(s, IPPROTO_TCP, TCP_USER_TIMEOUT)), SHOW(set(s, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1)), SHOW(set(s, IPPROTO_TCP, TCP_QUICKACK, 1)), SHOW(set(s, IPPROTO_TCP, TCP_CORK, 1)), SHOW(get(s, IPPROTO_TCP, TCP_CORK)), SHOW(set(s, IPPROTO_TCP, TCP_MAXSEG, 10)), SHOW(set(s, IPPROTO_TCP, TCP_FASTOPEN, 5)), SHOW(set(s, IPPROTO_TCP, 999, 1)), SHOW(set(u, IPPROTO_TCP, TCP_NODELAY, 1)), SHOW(set(x, IPPROTO_TCP, TCP_NODELAY, 1));
    SHOW(set(s, IPPROTO_IP, IP_TTL, 300)), SHOW(set(s, IPPROTO_IP, IP_TTL, 33)), SHOW(get(s, IPPROTO_IP, IP_TTL)), SHOW(set(s, IPPROTO_IP, IP_TOS, 16)), SHOW(get(s, IPPROTO_IP, IP_TOS)), SHOW(get(six, IPPROTO_IPV6, IPV6_V6ONLY)), SHOW(set(six, IPPROTO_IPV6, IPV6_V6ONLY, 1)), SHOW(get(six, IPPROTO_IPV6, IPV6_V6ONLY)), SHOW(set(s, IPPROTO_IPV6, IPV6_V6ONLY, 1)), SHOW(get(u, IPPROTO_IP, IP_MULTICAST_TTL)), SHOW(get(u, IPPROTO_IP, IP_MULTICAST_LOOP)), SHOW(set(u, IPPROTO_IP, 999, 1));
    SHOW(set(s, SOL_SOCKET, SO_RCVBUF, 10000)), SHOW(get(s, SOL_SOCKET, SO_RCVBUF)), SHOW(set(s, SOL_SOCKET, SO_SNDBUF, 1)), SHOW(get(s, SOL_SOCKET, SO_SNDBUF)), SHOW(set(s, SOL_SOCKET, SO_RCVLOWAT, 0)), SHOW(get(s, SOL_SOCKET, SO_RCVLOWAT)), SHOW(set(s, SOL_SOCKET, SO_SNDLOWAT, 5));
    struct timeval t = {1, 500000}, r = {0};
    socklen_t n = sizeof r;
    SHOW(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t)), SHOW(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &r, &n)), printf("%ld %ld\n", (long)r.tv_sec, (long)r.tv_usec), t.tv_usec = 1000000, SHOW(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t)), SHOW(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, 4));
    struct linger l = {1, 5}, lr;
    n = sizeof lr, SHOW(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l)), SHOW(getsockopt(s, SOL_SOCKET, SO_LINGER, &lr, &n)), printf("%d %d\n", lr.l_onoff, lr.l_linger);
    return 0;
}
