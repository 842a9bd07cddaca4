// Buffers of socket calls that end in memory that is not there: nobody waits, and nothing is lost or sent twice.
// libc: musl
#include "sockets.h"
#include <sys/mman.h>
#include <sys/uio.h>
static char *end, drain[1 << 20];
static int cells;
static long tcp(int p[2], int small) {
    int port, l = listener(&port, 1);
    p[0] = dial(port), p[1] = NEED(accept(l, NULL, NULL));
    int size = 4096;
    if (small) setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return close(l);
}
static long udp(int p[2], int small) {
    struct sockaddr_in a = loopback(0);
    p[1] = NEED(socket(AF_INET, SOCK_DGRAM, 0)), NEED(bind(p[1], (void *)&a, sizeof a)), a = loopback(port_of(p[1]));
    p[0] = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    return connect(p[0], (void *)&a, sizeof a);
}
static long local(int p[2], int small) { return socketpair(AF_UNIX, SOCK_STREAM, 0, p); }
static long local_datagram(int p[2], int small) { return socketpair(AF_UNIX, SOCK_DGRAM, 0, p); }
static long packets(int p[2], int small) { return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p); }
static long give(int way, int fd, long good, long bad) {
    struct iovec v[2] = {{end - good, good}, {end, bad}}, one = {end - good, good + bad};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    struct mmsghdr mm = {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}};
    switch (way) {
    case 0: return send(fd, end - good, good + bad, 0);
    case 1: return write(fd, end - good, good + bad);
    case 2: return writev(fd, v, 2);
    case 3: return sendmsg(fd, &m, 0);
    case 4: return sendmmsg(fd, &mm, 1, 0);
    default: return send(fd, end - good, good + bad, MSG_DONTWAIT);
    }
}
static long take(int way, int fd, long good, long bad) {
    struct iovec v[2] = {{end - good, good}, {end, bad}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    switch (way) {
    case 0: return recv(fd, end - good, good + bad, 0);
    case 1: return read(fd, end - good, good + bad);
    case 2: return readv(fd, v, 2);
    case 3: return recvmsg(fd, &m, 0);
    default: return recv(fd, end - good, good + bad, MSG_PEEK);
    }
}
static void say(long r) { printf(" %s", r < 0 ? error_name(errno) : ({ static char t[24]; sprintf(t, "%ld", r); t; })); }
int main(void) {
    static const struct { const char *name; long (*make)(int[2], int); } kinds[] = {{"tcp", tcp}, {"udp", udp}, {"unix stream", local}, {"unix datagrams", local_datagram}, {"unix packets", packets}};
    static const long goods[] = {0, 1, 100, 4095, 4096};
    char *map = NEED(mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    end = map + 4 * 4096;
    memset(map, 'a', 4 * 4096), NEED(mprotect(end, 4 * 4096, PROT_NONE));
    for (int k = 0; k < 5; k++)
        for (int small = 0; small < 2; small++)
            for (int way = 0; way < 6; way++)
                for (int g = 0; g < 5; g++) {
                    int p[2];
                    NEED(kinds[k].make(p, small));
                    printf("%s, give %d, %ld good:", kinds[k].name, way, goods[g]);
                    say(give(way, p[0], goods[g], 1)), say(give(way, p[0], goods[g], 4096));
                    // What was sent must be the good bytes and no more; then the socket goes on.
                    say(recv(p[1], drain, sizeof drain, MSG_DONTWAIT)), say(send(p[0], "ok", 2, 0)), await_input(p[1]), say(recv(p[1], drain, sizeof drain, 0));
                    puts(""), cells++, close(p[0]), close(p[1]);
                }
    for (int k = 0; k < 5; k++)
        for (int way = 0; way < 5; way++)
            for (int g = 0; g < 5; g++) {
                int p[2];
                NEED(kinds[k].make(p, 0));
                printf("%s, take %d, %ld good:", kinds[k].name, way, goods[g]);
                say(send(p[0], map, goods[g] + 1, 0)), await_input(p[1]), say(take(way, p[1], goods[g], 1));
                say(send(p[0], "ok", 2, 0)), await_input(p[1]), say(take(way, p[1], goods[g], 100)), say(recv(p[1], drain, sizeof drain, MSG_DONTWAIT));
                puts(""), cells++, close(p[0]), close(p[1]);
            }
    printf("%d cells\n", cells);
    return 0;
}
