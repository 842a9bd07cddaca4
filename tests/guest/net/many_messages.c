// sendmmsg and recvmmsg: counts, lengths, time-outs, errors in the middle.
// libc: musl
#include "sockets.h"
int main(void) {
    int p[2];
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
    char b[4][8] = {"a", "bb", "ccc", "dddd"}, r[6][8];
    struct iovec v[4], w[6];
    struct mmsghdr out[4] = {0}, in[6] = {0};
    for (int i = 0; i < 4; i++) v[i] = (struct iovec){b[i], i + 1}, out[i].msg_hdr.msg_iov = &v[i], out[i].msg_hdr.msg_iovlen = 1;
    for (int i = 0; i < 6; i++) w[i] = (struct iovec){r[i], 8}, in[i].msg_hdr.msg_iov = &w[i], in[i].msg_hdr.msg_iovlen = 1;
    struct timespec t = {0, 10000000}, bad = {0, -1};
    SHOW(sendmmsg(p[0], out, 4, 0)), SHOW(out[3].msg_len), SHOW(recvmmsg(p[1], in, 2, 0, NULL)), SHOW(in[1].msg_len), SHOW(recvmmsg(p[1], in, 6, MSG_DONTWAIT, NULL)), SHOW(in[1].msg_len), SHOW(recvmmsg(p[1], in, 6, MSG_DONTWAIT, NULL)), sendmmsg(p[0], out, 2, 0), SHOW(recvmmsg(p[1], in, 6, MSG_WAITFORONE, NULL)), sendmmsg(p[0], out, 3, 0), SHOW(recvmmsg(p[1], in, 3, 0, &t)), SHOW(recvmmsg(p[1], in, 3, 0, &bad)), SHOW(sendmmsg(p[0], out, 0, 0)), v[1].iov_base = (void *)8, SHOW(sendmmsg(p[0], out, 4, 0)), SHOW(recvmmsg(p[1], in, 6, MSG_DONTWAIT, NULL)), v[0].iov_base = (void *)8, SHOW(sendmmsg(p[0], out, 4, 0)), SHOW(sendmmsg(99, out, 1, 0)), SHOW(recvmmsg(0, in, 1, 0, NULL)), SHOW(syscall(SYS_sendmmsg, p[0], 8, 1, 0));
    return 0;
}
