// Ancillary data of IP and IPv6: what each option lets come with a datagram, what a sender may give along, and the errors
// that come back to a sender (MSG_ERRQUEUE).
// libc: glibc
#include "sockets.h"
#include <linux/errqueue.h>
#include <sys/ioctl.h>
static int cells, port_b;
static int bound(int domain, int *port) {
    struct sockaddr_in four = loopback(0);
    struct sockaddr_in6 six = {AF_INET6};
    int fd = NEED(socket(domain, SOCK_DGRAM, 0));
    NEED(domain == AF_INET ? bind(fd, (void *)&four, sizeof four) : bind(fd, (void *)&six, sizeof six));
    *port = port_of(fd);
    return fd;
}
static void bytes_of(const unsigned char *d, long len) {
    for (int i = 0; i < len; i++) printf("%02x", d[i]);
}
static void show_message(int fd, int flags, size_t room) {
    char bytes[64], control[512];
    struct sockaddr_storage from = {0};
    struct iovec v = {bytes, sizeof bytes};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    cells++;
    long n = recvmsg(fd, &m, MSG_DONTWAIT | flags);
    if (n < 0) {
        printf("  %s\n", error_name(errno));
        return;
    }
    printf("  %ld bytes, flags %x, control %ld, name %d\n", n, m.msg_flags, (long)m.msg_controllen, (int)m.msg_namelen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        unsigned char *d = CMSG_DATA(c);
        long len = c->cmsg_len - CMSG_LEN(0);
        printf("    level %d type %d length %ld:", c->cmsg_level, c->cmsg_type, len);
        int is_time = c->cmsg_level == SOL_SOCKET && (c->cmsg_type == 29 || c->cmsg_type == 35 || c->cmsg_type == 63 || c->cmsg_type == 64);
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == 20 || c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == 74)
            printf(" port %s ", ntohs(*(uint16_t *)(d + 2)) == port_b ? "right" : "wrong"), memset(d + 2, 0, 2);
        if (is_time) printf(" a time, now %d\n", labs(*(long *)d - (long)time(NULL)) < 100);
        else bytes_of(d, len), puts("");
    }
}
// Sends from a new socket of `domain` with what `control` holds, and shows what came.
static void give(int domain, int to, int to_domain, const char *address, void *control, long len, size_t room) {
    int s = NEED(socket(domain, SOCK_DGRAM, 0));
    struct sockaddr_in four = loopback(port_b);
    struct sockaddr_in6 six = {AF_INET6, htons(port_b)};
    if (domain == AF_INET) inet_pton(AF_INET, address, &four.sin_addr);
    else inet_pton(AF_INET6, address, &six.sin6_addr);
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_name = domain == AF_INET ? (void *)&four : (void *)&six, .msg_namelen = domain == AF_INET ? sizeof four : sizeof six, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = len};
    long r = sendmsg(s, &m, 0);
    printf("  sent %ld %s\n", r, r < 0 ? error_name(errno) : "");
    show_message(to, 0, room);
    close(s);
}
static const struct { const char *name; int level, option; } options[] = {
    {"IP_PKTINFO", IPPROTO_IP, 8}, {"IP_RECVTTL", IPPROTO_IP, 12}, {"IP_RECVTOS", IPPROTO_IP, 13}, {"IP_RECVOPTS", IPPROTO_IP, 6}, {"IP_RETOPTS", IPPROTO_IP, 7}, {"IP_RECVORIGDSTADDR", IPPROTO_IP, 20}, {"IP_RECVFRAGSIZE", IPPROTO_IP, 25}, {"IP_PASSSEC", IPPROTO_IP, 18},
    {"IPV6_RECVPKTINFO", IPPROTO_IPV6, 49}, {"IPV6_2292PKTINFO", IPPROTO_IPV6, 2}, {"IPV6_RECVHOPLIMIT", IPPROTO_IPV6, 51}, {"IPV6_2292HOPLIMIT", IPPROTO_IPV6, 8}, {"IPV6_RECVTCLASS", IPPROTO_IPV6, 66}, {"IPV6_RECVORIGDSTADDR", IPPROTO_IPV6, 74}, {"IPV6_RECVHOPOPTS", IPPROTO_IPV6, 53}, {"IPV6_RECVRTHDR", IPPROTO_IPV6, 56}, {"IPV6_RECVDSTOPTS", IPPROTO_IPV6, 58}, {"IPV6_RECVPATHMTU", IPPROTO_IPV6, 60}, {"IPV6_RECVFRAGSIZE", IPPROTO_IPV6, 77},
    {"SO_TIMESTAMP", SOL_SOCKET, 29}, {"SO_TIMESTAMPNS", SOL_SOCKET, 35}, {"SO_TIMESTAMP_NEW", SOL_SOCKET, 63}, {"SO_TIMESTAMPNS_NEW", SOL_SOCKET, 64}, {"SO_RXQ_OVFL", SOL_SOCKET, 40}};
#define COUNT(list) (int)(sizeof(list) / sizeof *(list))
static int set(int fd, int i, int value) {
    int v = 7;
    socklen_t n = sizeof v;
    int r = setsockopt(fd, options[i].level, options[i].option, &value, sizeof value);
    printf("%s = %d: %s", options[i].name, value, r ? error_name(errno) : "ok");
    r = getsockopt(fd, options[i].level, options[i].option, &v, &n);
    printf(", is %d %s\n", r ? 0 : v, r ? error_name(errno) : "");
    return r;
}
static void each_option(void) {
    static const struct { int own, sender; const char *address; } ways[] = {{AF_INET, AF_INET, "127.0.0.1"}, {AF_INET6, AF_INET6, "::1"}, {AF_INET6, AF_INET, "127.0.0.1"}, {AF_INET6, AF_INET6, "::ffff:127.0.0.1"}};
    for (int w = 0; w < COUNT(ways); w++) {
        printf("way %d\n", w);
        for (int i = 0; i < COUNT(options); i++) {
            int b = bound(ways[w].own, &port_b);
            set(b, i, 1), give(ways[w].sender, b, ways[w].own, ways[w].address, NULL, 0, 512);
            set(b, i, 0), give(ways[w].sender, b, ways[w].own, ways[w].address, NULL, 0, 512);
            close(b);
        }
        puts("all at once, and less room for them");
        int b = bound(ways[w].own, &port_b);
        for (int i = 0; i < COUNT(options); i++) if (options[i].level != SOL_SOCKET) set(b, i, 1);
        for (int room = 512; room >= 0; room -= room > 200 ? 100 : 12) printf(" room %d\n", room), give(ways[w].sender, b, ways[w].own, ways[w].address, NULL, 0, room);
        close(b);
    }
}
// What senders choose for all their datagrams and for one.
static void chosen(void) {
    int b = bound(AF_INET, &port_b), on = 1, s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in to = loopback(port_b);
    NEED(connect(s, (void *)&to, sizeof to));
    for (int i = 0; i < 3; i++) NEED(setsockopt(b, IPPROTO_IP, i == 0 ? IP_PKTINFO : i == 1 ? IP_RECVTTL : IP_RECVTOS, &on, sizeof on));
    for (int v = 0; v < 256; v += 51) {
        SHOW(setsockopt(s, IPPROTO_IP, IP_TTL, &v, sizeof v)), SHOW(setsockopt(s, IPPROTO_IP, IP_TOS, &v, sizeof v));
        send(s, "x", 1, 0), show_message(b, 0, 512);
    }
    static const int lengths[] = {0, 1, 2, 4, 8, 12, 16};
    static const int values[] = {-2, -1, 0, 1, 64, 0x20, 255, 256, 70000};
    static const int types[][2] = {{IPPROTO_IP, IP_TTL}, {IPPROTO_IP, IP_TOS}, {IPPROTO_IP, IP_PKTINFO}, {IPPROTO_IP, IP_RETOPTS}, {IPPROTO_IP, 99}, {IPPROTO_IPV6, 52}, {IPPROTO_TCP, 1}, {SOL_SOCKET, SCM_RIGHTS}, {SOL_SOCKET, 2}, {SOL_SOCKET, 3}, {SOL_SOCKET, 99}, {SOL_SOCKET, SO_TIMESTAMPING}, {SOL_SOCKET, 61}};
    for (int t = 0; t < COUNT(types); t++)
        for (int l = 0; l < COUNT(lengths); l++)
            for (int v = 0; v < COUNT(values); v++) {
                if (v > 0 && (lengths[l] != 4 && lengths[l] != 1 || t > 2)) continue;
                char control[64] = {0};
                struct cmsghdr *c = (void *)control;
                c->cmsg_level = types[t][0], c->cmsg_type = types[t][1], c->cmsg_len = CMSG_LEN(lengths[l]);
                memcpy(CMSG_DATA(c), &values[v], lengths[l] < 4 ? lengths[l] : t == 2 || t == 7 ? 0 : 4);
                printf("IPv4 level %d type %d length %d value %d\n", types[t][0], types[t][1], lengths[l], values[v]);
                give(AF_INET, b, AF_INET, "127.0.0.1", control, CMSG_SPACE(lengths[l]), 512);
            }
    puts("a source of its own");
    struct { struct cmsghdr c; struct in_pktinfo info; } source = {{CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO}};
    static const char *const sources[] = {"0.0.0.0", "127.0.0.1", "127.0.0.9", "10.9.8.7"};
    for (int i = 0; i < 8; i++) {
        source.info.ipi_ifindex = i & 1, inet_pton(AF_INET, sources[i / 2], &source.info.ipi_spec_dst);
        printf("from %s, interface %d\n", sources[i / 2], i & 1), give(AF_INET, b, AF_INET, "127.0.0.1", &source, sizeof source, 512);
    }
    close(b);
    b = bound(AF_INET6, &port_b);
    for (int i = 0; i < 3; i++) NEED(setsockopt(b, IPPROTO_IPV6, i == 0 ? 49 : i == 1 ? 51 : 66, &on, sizeof on));
    static const int types6[][2] = {{IPPROTO_IPV6, 52}, {IPPROTO_IPV6, 67}, {IPPROTO_IPV6, 50}, {IPPROTO_IPV6, 62}, {IPPROTO_IPV6, 99}, {IPPROTO_IP, IP_TTL}, {SOL_SOCKET, 99}, {SOL_SOCKET, SCM_RIGHTS}};
    for (int t = 0; t < COUNT(types6); t++)
        for (int l = 0; l < COUNT(lengths); l++)
            for (int v = 0; v < COUNT(values); v++) {
                if (v > 0 && (lengths[l] != 4 || t > 1)) continue;
                char control[64] = {0};
                struct cmsghdr *c = (void *)control;
                c->cmsg_level = types6[t][0], c->cmsg_type = types6[t][1], c->cmsg_len = CMSG_LEN(lengths[l]);
                memcpy(CMSG_DATA(c), &values[v], lengths[l] < 4 ? lengths[l] : t > 1 ? 0 : 4);
                printf("IPv6 level %d type %d length %d value %d\n", types6[t][0], types6[t][1], lengths[l], values[v]);
                give(AF_INET6, b, AF_INET6, "::1", control, CMSG_SPACE(lengths[l]), 512);
            }
    int s6 = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 to6 = {AF_INET6, htons(port_b), 0, in6addr_loopback};
    NEED(connect(s6, (void *)&to6, sizeof to6));
    for (int v = -1; v < 256; v += 64) {
        SHOW(setsockopt(s6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &v, sizeof v)), SHOW(setsockopt(s6, IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof v));
        send(s6, "x", 1, 0), show_message(b, 0, 512);
    }
    close(b), close(s), close(s6);
}
// Errors that came back: nobody is bound to the port.
static void errors(void) {
    static const struct { int domain; const char *address; } ways[] = {{AF_INET, "127.0.0.1"}, {AF_INET6, "::1"}, {AF_INET6, "::ffff:127.0.0.1"}};
    for (int w = 0; w < 3; w++)
        for (int connected = 0; connected < 2; connected++) {
            printf("%s, %sconnected\n", ways[w].address, connected ? "" : "not ");
            int dead = bound(ways[w].domain, &port_b), s = NEED(socket(ways[w].domain, SOCK_DGRAM, 0)), on = 1;
            close(dead);
            struct sockaddr_in four = loopback(port_b);
            struct sockaddr_in6 six = {AF_INET6, htons(port_b)};
            inet_pton(AF_INET6, ways[w].address, &six.sin6_addr);
            void *to = ways[w].domain == AF_INET ? (void *)&four : (void *)&six;
            socklen_t len = ways[w].domain == AF_INET ? sizeof four : sizeof six;
            SHOW(setsockopt(s, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
            if (ways[w].domain == AF_INET6) SHOW(setsockopt(s, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on));
            if (connected) SHOW(connect(s, to, len));
            SHOW(sendto(s, "lost", 4, 0, connected ? NULL : to, connected ? 0 : len));
            await_error(s);
            struct pollfd p = {s, POLLIN | POLLOUT | POLLPRI, 0};
            SHOW(poll(&p, 1, 0)), printf("events %x\n", p.revents & ~POLLWRBAND);
            char bytes[64], control[512];
            struct sockaddr_storage name = {0};
            struct iovec v = {bytes, sizeof bytes};
            for (int i = 0; i < 2; i++) {
                struct msghdr m = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
                long n = recvmsg(s, &m, MSG_ERRQUEUE);
                cells++, printf("  %ld %s flags %x\n", n, n < 0 ? error_name(errno) : "", n < 0 ? 0 : m.msg_flags);
                if (n < 0) continue;
                printf("  \"%.*s\", to port %s family %d\n", (int)n, bytes, ntohs(((struct sockaddr_in *)&name)->sin_port) == port_b ? "right" : "wrong", name.ss_family);
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
                    struct sock_extended_err *e = (void *)CMSG_DATA(c);
                    printf("    level %d type %d length %ld: %s origin %d type %d code %d info %d data %d offender family %d ", c->cmsg_level, c->cmsg_type, (long)c->cmsg_len, error_name(e->ee_errno), e->ee_origin, e->ee_type, e->ee_code, e->ee_info, e->ee_data, SO_EE_OFFENDER(e)->sa_family);
                    bytes_of((void *)SO_EE_OFFENDER(e), c->cmsg_len - CMSG_LEN(sizeof *e)), puts("");
                }
            }
            p.revents = 0;
            SHOW(poll(&p, 1, 0)), printf("events %x\n", p.revents & ~POLLWRBAND);
            int pending = 7;
            socklen_t size = sizeof pending;
            SHOW(getsockopt(s, SOL_SOCKET, SO_ERROR, &pending, &size)), printf("pending %s\n", error_name(pending));
            // The call that finds an error pending gets it; the queue keeps its message.
            SHOW(sendto(s, "again", 5, 0, connected ? NULL : to, connected ? 0 : len)), await_error(s);
            SHOW(recv(s, bytes, 8, MSG_DONTWAIT)), SHOW(recv(s, bytes, 8, MSG_DONTWAIT));
            SHOW(recv(s, bytes, 8, MSG_ERRQUEUE)), SHOW(recv(s, bytes, 8, MSG_ERRQUEUE));
            close(s);
        }
}
// The time of the last message (SIOCGSTAMP).
static void stamps(void) {
    int b = bound(AF_INET, &port_b), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in to = loopback(port_b);
    NEED(connect(s, (void *)&to, sizeof to));
    long stamp[2] = {0};
    char bytes[8];
    for (int i = 0; i < 2; i++) {
        int get = i ? 0x8907 : 0x8906;
        SHOW(ioctl(b, get, stamp));
        send(s, "a", 1, 0), recv(b, bytes, 8, 0);
        send(s, "a", 1, 0), recv(b, bytes, 8, 0);
        SHOW(ioctl(b, get, stamp)), CHECK(labs(stamp[0] - time(NULL)) < 100);
        SHOW(ioctl(b, get, (void *)8));
    }
    int t = NEED(socket(AF_INET, SOCK_STREAM, 0)), u = NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
    SHOW(ioctl(t, 0x8906, stamp)), SHOW(ioctl(u, 0x8906, stamp));
}
int main(void) {
    each_option(), chosen(), errors(), stamps();
    printf("%d cells\n", cells);
    return 0;
}
