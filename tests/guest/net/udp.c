// Datagrams keep their boundaries, tell their sender, and are cut when the buffer is short.
#include "sockets.h"
int main(void) {
    struct sockaddr_in a = loopback(0), to, from;
    int x = NEED(socket(AF_INET, SOCK_DGRAM, 0)), y = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    NEED(bind(x, (struct sockaddr *)&a, sizeof a));
    to = loopback(port_of(x));
    SHOW(sendto(y, "first", 5, 0, (struct sockaddr *)&to, sizeof to));
    SHOW(sendto(y, "", 0, 0, (struct sockaddr *)&to, sizeof to));
    SHOW(sendto(y, "third one", 9, 0, (struct sockaddr *)&to, sizeof to));
    char bytes[32] = {0};
    socklen_t size = sizeof from;
    SHOW(recvfrom(x, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size));
    CHECK(ntohs(from.sin_port) == port_of(y) && size == sizeof from);
    SHOW(recv(x, bytes, sizeof bytes, 0));
    SHOW(recv(x, bytes, 5, MSG_TRUNC));
    SHOW(recv(x, bytes, 5, MSG_DONTWAIT));
    SHOW(send(y, "x", 1, 0));
    SHOW(connect(y, (struct sockaddr *)&to, sizeof to));
    SHOW(send(y, "joined", 6, 0));
    SHOW(recv(x, bytes, sizeof bytes, 0));
    static char big[70000];
    SHOW(send(y, big, sizeof big, 0));
    SHOW(listen(x, 1));
    SHOW(accept(x, NULL, NULL));
    struct iovec parts[2] = {{"two ", 4}, {"parts", 5}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    SHOW(sendmsg(y, &message, 0));
    struct iovec in = {bytes, sizeof bytes};
    struct msghdr got = {.msg_iov = &in, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from};
    memset(bytes, 0, sizeof bytes);
    SHOW(recvmsg(x, &got, 0));
    puts(bytes);
    return 0;
}
