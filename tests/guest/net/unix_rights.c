// SCM_RIGHTS: several descriptors, closed after sending, too little room, CLOEXEC, over streams in order, refused ones.
// libc: glibc
#include "../children.h"
#include <sys/socket.h>
static int give(int s, int *fds, int count, const char *text) {
    char control[CMSG_SPACE(sizeof(int) * 300)] = {0};
    struct iovec v = {(void *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int) * count), memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    return sendmsg(s, &m, MSG_NOSIGNAL);
}
static int take(int s, int *fds, int room, int flags) {
    char t[64] = {0}, control[512];
    struct iovec v = {t, 64};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    int n = recvmsg(s, &m, flags | MSG_DONTWAIT), count = 0;
    struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
    if (c) count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int), memcpy(fds, CMSG_DATA(c), count * sizeof(int));
    printf("%d \"%s\", %d descriptors, flags %x\n", n, t, count, n < 0 ? 0 : m.msg_flags);
    return count;
}
int main(void) {
    enter_scratch();
    put_file("f", "content");
    int p[2], fds[300], got[16], f = NEED(open("f", O_RDONLY)), d[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, p)), NEED(pipe(d));
    fds[0] = f, fds[1] = d[0], fds[2] = d[1], SHOW(give(p[0], fds, 3, "three")), close(f), take(p[1], got, 512, MSG_CMSG_CLOEXEC), SHOW(fcntl(got[0], F_GETFD)), SHOW(read(got[0], (char[8]){0}, 3)), SHOW(write(got[2], "x", 1)), SHOW(read(d[0], (char[2]){0}, 1));
    SHOW(give(p[0], fds + 1, 2, "two")), SHOW(give(p[0], fds + 1, 1, "one")), SHOW(send(p[0], "none", 4, 0)), take(p[1], got, 512, 0), take(p[1], got, 512, 0), take(p[1], got, 512, 0);
    SHOW(give(p[0], fds + 1, 2, "little room")), take(p[1], got, CMSG_SPACE(4), 0), SHOW(give(p[0], fds + 1, 2, "no room")), take(p[1], got, 0, 0), SHOW(give(p[0], fds + 1, 1, "peeked")), take(p[1], got, 512, MSG_PEEK), take(p[1], got, 512, 0);
    fds[0] = 999, SHOW(give(p[0], fds, 1, "bad"));
    for (int i = 0; i < 300; i++) fds[i] = d[0];
    SHOW(give(p[0], fds, 253, "most")), SHOW(give(p[0], fds, 254, "too many"));
    IN_CHILD("across processes", take(p[1], got, 512, 0));
    unlink("f");
    return 0;
}
