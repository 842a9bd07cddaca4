// sendmsg and recvmsg over a stream, sendmmsg and recvmmsg over datagrams.
#include "sockets.h"
int main(void) {
    int s[2], d[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    struct iovec out[3] = {{"a", 1}, {"bc", 2}, {"def", 3}};
    struct msghdr message = {.msg_iov = out, .msg_iovlen = 3};
    SHOW(sendmsg(s[0], &message, 0));
    char x[3] = {0}, y[8] = {0};
    struct iovec in[2] = {{x, 2}, {y, 7}};
    message = (struct msghdr){.msg_iov = in, .msg_iovlen = 2};
    SHOW(recvmsg(s[1], &message, 0));
    printf("%s %s %x\n", x, y, message.msg_flags);
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = &out[1], .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &out[2], .msg_iovlen = 1}}};
    SHOW(sendmmsg(d[0], many, 2, 0));
    printf("%u %u\n", many[0].msg_len, many[1].msg_len);
    struct iovec one = {x, 2}, two = {y, 7};
    struct mmsghdr got[2] = {{.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &two, .msg_iovlen = 1}}};
    SHOW(recvmmsg(d[1], got, 2, 0, NULL));
    printf("%u %u\n", got[0].msg_len, got[1].msg_len);
    message = (struct msghdr){.msg_iov = (void *)16, .msg_iovlen = 1};
    SHOW(sendmsg(s[0], &message, 0));
    message = (struct msghdr){.msg_iov = out, .msg_iovlen = 5000};
    SHOW(sendmsg(s[0], &message, 0));
    return 0;
}
