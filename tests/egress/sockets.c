// What sockets do with peers beyond the machine: each line is one case and its outcome. The peer's address is the first argument;
// `peers.rs` says what listens at which port.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ECHO_ = 7001, ENDS = 7002, RESETS = 7003, SENDS = 7004, COUNTS = 7005, SILENT = 7006, CLOSED = 7011, UDP = 7010 };

static const char *host;
static int cases;

static void say(const char *what, long value) {
    printf("%s: %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
    cases++;
}

static void ready(const char *what, int bits) {
    printf("%s:%s%s%s%s%s%s\n", what, bits & POLLIN ? " IN" : "", bits & POLLOUT ? " OUT" : "", bits & POLLRDHUP ? " RDHUP" : "",
           bits & POLLHUP ? " HUP" : "", bits & POLLERR ? " ERR" : "", bits & POLLPRI ? " PRI" : "");
    cases++;
}

static socklen_t peer(int port, struct sockaddr_storage *to) {
    memset(to, 0, sizeof *to);
    if (strchr(host, ':')) {
        struct sockaddr_in6 *six = (void *)to;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        inet_pton(AF_INET6, host, &six->sin6_addr);
        return sizeof *six;
    }
    struct sockaddr_in *four = (void *)to;
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    inet_pton(AF_INET, host, &four->sin_addr);
    return sizeof *four;
}

static int fresh(int kind) { return socket(strchr(host, ':') ? AF_INET6 : AF_INET, kind | SOCK_CLOEXEC, 0); }

static int to(int port) {
    struct sockaddr_storage address;
    int fd = fresh(SOCK_STREAM);
    if (connect(fd, (void *)&address, peer(port, &address)) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int wait_for(int fd, int events) {
    struct pollfd one = {fd, events, 0};
    poll(&one, 1, 5000);
    return one.revents;
}

static int error_of(int fd) {
    int error = -1;
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

static long read_all(int fd) {
    static char buffer[65536];
    long total = 0, count;
    while ((count = read(fd, buffer, sizeof buffer)) > 0) total += count;
    return count < 0 ? -1 : total;
}

static void connecting(void) {
    struct sockaddr_storage address, other;
    socklen_t length = peer(ECHO_, &address), got = sizeof other;
    int fd = fresh(SOCK_STREAM);
    say("connect", connect(fd, (void *)&address, length));
    say("connect again", connect(fd, (void *)&address, length));
    say("getpeername", getpeername(fd, (void *)&other, &got));
    say("the peer is who was asked for", memcmp(&address, &other, length));
    got = sizeof other;
    say("getsockname", getsockname(fd, (void *)&other, &got));
    say("its port is set", ((struct sockaddr_in *)&other)->sin_port != 0);
    say("SO_ERROR", error_of(fd));
    ready("a fresh connection", wait_for(fd, POLLIN | POLLOUT | POLLRDHUP) & ~POLLIN);
    close(fd);
    say("refused", to(CLOSED));
    fd = fresh(SOCK_STREAM);
    length = peer(CLOSED, &address);
    say("refused", connect(fd, (void *)&address, length));
    say("refused once more on the same socket", connect(fd, (void *)&address, length));
    length = peer(ECHO_, &address);
    say("and then connected", connect(fd, (void *)&address, length));
    close(fd);

    fd = fresh(SOCK_STREAM | SOCK_NONBLOCK);
    say("connect without waiting", connect(fd, (void *)&address, length));
    ready("it is there", wait_for(fd, POLLOUT));
    say("SO_ERROR", error_of(fd));
    say("connect says so", connect(fd, (void *)&address, length));
    close(fd);
    fd = fresh(SOCK_STREAM | SOCK_NONBLOCK);
    length = peer(CLOSED, &address);
    say("connect without waiting", connect(fd, (void *)&address, length));
    ready("it is refused", wait_for(fd, POLLIN | POLLOUT | POLLRDHUP));
    say("SO_ERROR", error_of(fd));
    say("SO_ERROR once", error_of(fd));
    close(fd);

    fd = fresh(SOCK_STREAM);
    struct sockaddr_storage own;
    memset(&own, 0, sizeof own);
    own.ss_family = strchr(host, ':') ? AF_INET6 : AF_INET;
    say("bind to any port", bind(fd, (void *)&own, length));
    length = peer(ECHO_, &address);
    say("and connect", connect(fd, (void *)&address, length));
    say("listen on it", listen(fd, 1));
    close(fd);
}

static void talking(void) {
    char buffer[256];
    int fd = to(ECHO_);
    say("write", write(fd, "hello", 5));
    say("peek", recv(fd, buffer, sizeof buffer, MSG_PEEK));
    say("read in parts", read(fd, buffer, 2));
    say("the rest", read(fd, buffer, sizeof buffer));
    say("nothing more", recv(fd, buffer, sizeof buffer, MSG_DONTWAIT));
    struct iovec parts[2] = {{"one ", 4}, {"two", 3}};
    say("writev", writev(fd, parts, 2));
    say("all of it", recv(fd, buffer, 7, MSG_WAITALL));
    say("send nothing", send(fd, "", 0, 0));
    int waiting = -1;
    write(fd, "12345", 5);
    wait_for(fd, POLLIN);
    ioctl(fd, FIONREAD, &waiting);
    say("FIONREAD", waiting);
    say("truncated", recv(fd, buffer, 3, MSG_TRUNC));
    read(fd, buffer, sizeof buffer);
    struct timeval limit = {0, 100000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    say("a read that waits too long", read(fd, buffer, sizeof buffer));
    say("sendto with an address", sendto(fd, "x", 1, 0, (void *)&(struct sockaddr_in){AF_INET}, sizeof(struct sockaddr_in)));
    close(fd);

    static char big[1 << 20], back[1 << 20];
    for (int i = 0; i < (int)sizeof big; i++) big[i] = (char)(i * 7);
    fd = to(ECHO_);
    if (fork() == 0) {
        long sent = 0;
        while (sent < (long)sizeof big) sent += write(fd, big + sent, sizeof big - sent);
        _exit(0);
    }
    long total = 0, count;
    while (total < (long)sizeof back && (count = read(fd, back + total, sizeof back - total)) > 0) total += count;
    say("a mebibyte and back", total);
    say("unchanged", memcmp(big, back, sizeof big));
    close(fd);

    int file = memfd_create("file", 0);
    write(file, big, 200000);
    fd = to(COUNTS);
    off_t from = 0;
    say("sendfile", sendfile(fd, file, &from, 200000));
    shutdown(fd, SHUT_WR);
    memset(buffer, 0, sizeof buffer);
    read(fd, buffer, sizeof buffer);
    printf("the peer counted %s\n", buffer);
    close(fd);
    int ends[2];
    pipe(ends);
    fd = to(ECHO_);
    write(ends[1], "through a pipe", 14);
    say("splice out", splice(ends[0], NULL, fd, NULL, 14, 0));
    wait_for(fd, POLLIN);
    say("splice in", splice(fd, NULL, ends[1], NULL, 100, 0));
    close(fd);
}

static void options(void) {
    int fd = to(ECHO_), one = 1, value = -1;
    socklen_t length = sizeof value;
    say("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length);
    say("it is on", value);
    say("SO_KEEPALIVE", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    int idle = 33;
    say("TCP_KEEPIDLE", setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle));
    getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &length);
    say("it is", value);
    say("TCP_USER_TIMEOUT", setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &idle, sizeof idle));
    char buffer[4];
    write(fd, "ok", 2);
    say("it still talks", recv(fd, buffer, 2, MSG_WAITALL));
    close(fd);
}

static void ends(void) {
    char buffer[64];
    int fd = to(ENDS);
    write(fd, "x", 1);
    ready("the peer has ended", wait_for(fd, POLLIN | POLLRDHUP));
    say("the end", read(fd, buffer, sizeof buffer));
    say("the end again", read(fd, buffer, sizeof buffer));
    close(fd);

    fd = to(COUNTS);
    write(fd, "12345", 5);
    say("shutdown of writing", shutdown(fd, SHUT_WR));
    say("a write after it", send(fd, "x", 1, MSG_NOSIGNAL));
    memset(buffer, 0, sizeof buffer);
    say("the answer to the end", read(fd, buffer, sizeof buffer));
    printf("it is %s\n", buffer);
    say("and the end", read(fd, buffer, sizeof buffer));
    ready("both have ended", wait_for(fd, POLLIN | POLLOUT | POLLRDHUP));
    close(fd);

    fd = to(RESETS);
    write(fd, "x", 1);
    int bits = wait_for(fd, POLLIN | POLLRDHUP);
    ready("the peer has reset", bits | wait_for(fd, POLLIN | POLLOUT | POLLRDHUP));
    say("a read says so", read(fd, buffer, sizeof buffer));
    say("once", read(fd, buffer, sizeof buffer));
    say("a write", send(fd, "x", 1, MSG_NOSIGNAL));
    close(fd);

    fd = to(SENDS);
    say("a mebibyte and the end", read_all(fd));
    close(fd);
    fd = to(SILENT);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    static char block[1 << 16];
    while (write(fd, block, sizeof block) > 0) {
    }
    say("a peer that reads nothing", write(fd, block, sizeof block));
    struct pollfd one = {fd, POLLOUT, 0};
    say("it takes no more", poll(&one, 1, 50));
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    say("close at once", close(fd));
    fd = to(ECHO_);
    say("shutdown of both", shutdown(fd, SHUT_RDWR));
    say("read after it", read(fd, buffer, sizeof buffer));
    say("shutdown of nothing", shutdown(fresh(SOCK_STREAM), SHUT_RDWR));
    close(fd);
}

static void edges(void) {
    int epoll = epoll_create1(0), fd = to(ECHO_);
    char buffer[64];
    struct epoll_event want = {EPOLLIN | EPOLLET, {.fd = fd}}, got;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &want);
    say("nothing yet", epoll_wait(epoll, &got, 1, 20));
    write(fd, "ab", 2);
    say("an edge", epoll_wait(epoll, &got, 1, 5000));
    read(fd, buffer, 1);
    say("no edge for what is left", epoll_wait(epoll, &got, 1, 20));
    write(fd, "c", 1);
    say("an edge for more", epoll_wait(epoll, &got, 1, 5000));
    say("both", recv(fd, buffer, 2, MSG_WAITALL));
    want.events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &want);
    write(fd, "d", 1);
    say("a level", epoll_wait(epoll, &got, 1, 5000));
    say("the same level", epoll_wait(epoll, &got, 1, 5000));
    want.events = EPOLLIN | EPOLLONESHOT;
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &want);
    say("one shot", epoll_wait(epoll, &got, 1, 5000));
    say("and no other", epoll_wait(epoll, &got, 1, 20));
    close(fd);
}

static void datagrams(void) {
    struct sockaddr_storage address, from;
    socklen_t length = peer(UDP, &address), got = sizeof from;
    static char buffer[70000], big[65507];
    int fd = fresh(SOCK_DGRAM);
    struct timeval limit = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    say("sendto", sendto(fd, "abc", 3, 0, (void *)&address, length));
    say("recvfrom", recvfrom(fd, buffer, sizeof buffer, 0, (void *)&from, &got));
    say("from whom it was sent to", memcmp(&address, &from, length));
    say("an empty one", sendto(fd, "", 0, 0, (void *)&address, length));
    say("comes back", recv(fd, buffer, sizeof buffer, 0));
    say("the longest", sendto(fd, big, sizeof big, 0, (void *)&address, length));
    say("comes back", recv(fd, buffer, sizeof buffer, 0));
    say("one that is too long", sendto(fd, buffer, 65508 + 20, 0, (void *)&address, length));
    say("connect", connect(fd, (void *)&address, length));
    say("send", send(fd, "abcdef", 6, 0));
    say("cut", recv(fd, buffer, 2, MSG_TRUNC));
    say("nothing of it is left", recv(fd, buffer, 2, MSG_DONTWAIT));
    for (int i = 0; i < 20; i++) send(fd, buffer, 100 + i, 0);
    long total = 0;
    for (int i = 0; i < 20; i++) total += recv(fd, buffer, sizeof buffer, 0);
    say("twenty of different lengths", total);
    close(fd);
    fd = fresh(SOCK_DGRAM);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    length = peer(CLOSED, &address);
    connect(fd, (void *)&address, length);
    say("to nobody", send(fd, "x", 1, 0));
    say("that comes back", recv(fd, buffer, sizeof buffer, 0));
    close(fd);
}

int main(int argc, char **argv) {
    host = argc > 1 ? argv[1] : "192.0.2.1";
    setvbuf(stdout, NULL, _IOLBF, 0);
    connecting();
    talking();
    options();
    ends();
    edges();
    datagrams();
    printf("%d cases\n", cases);
    return 0;
}
