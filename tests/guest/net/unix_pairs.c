// Pairs of unix sockets: streams, datagrams and packets with their boundaries.
#include "sockets.h"
int main(void) {
    signal(SIGPIPE, SIG_IGN);
    int s[2], d[2], q[2];
    char bytes[32] = {0};
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    SHOW(write(s[0], "ab", 2));
    SHOW(write(s[0], "cd", 2));
    SHOW(read(s[1], bytes, sizeof bytes));
    SHOW(write(s[1], "back", 4));
    SHOW(recv(s[0], bytes, 4, MSG_WAITALL));
    SHOW(shutdown(s[0], SHUT_WR));
    SHOW(read(s[1], bytes, sizeof bytes));
    close(s[0]);
    SHOW(write(s[1], "x", 1));
    SHOW(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, d));
    SHOW(send(d[0], "one", 3, 0));
    SHOW(send(d[0], "two", 3, 0));
    SHOW(recv(d[1], bytes, 2, 0));
    SHOW(recv(d[1], bytes, sizeof bytes, 0));
    SHOW(recv(d[1], bytes, sizeof bytes, 0));
    SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, q));
    SHOW(send(q[0], "packet", 6, 0));
    SHOW(recv(q[1], bytes, sizeof bytes, 0));
    close(q[0]);
    SHOW(recv(q[1], bytes, sizeof bytes, 0));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, s));
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)16));
    return 0;
}
