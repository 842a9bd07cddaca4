// Ancillary data: several files, too little room, credentials, peeking, and a socket that carries itself.
#include "sockets.h"
#include <sys/un.h>
static ssize_t give(int to, int *fds, int count, const char *text) {
    char control[CMSG_SPACE(sizeof(int) * 8)] = {0};
    struct iovec v = {(void *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    return sendmsg(to, &m, 0);
}
static void take(int from, size_t room, size_t bytes, int flags) {
    char control[256], text[64] = {0};
    struct iovec v = {text, bytes};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    ssize_t n = recvmsg(from, &m, flags);
    if (n == -1) { printf("recvmsg: %s\n", error_name(errno)); return; }
    printf("%zd '%s' flags %x control %d:", n, text, m.msg_flags, (int)m.msg_controllen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        printf(" type %d", c->cmsg_type);
        if (c->cmsg_type == SCM_RIGHTS) {
            int count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int), *fds = (int *)CMSG_DATA(c);
            printf(" files %d cloexec %d", count, fcntl(fds[0], F_GETFD));
            for (int i = 0; i < count; i++) close(fds[i]);
        } else if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred *u = (struct ucred *)CMSG_DATA(c);
            printf(" me %d", u->pid == getpid());
        }
    }
    printf("\n");
}
int main(void) {
    int s[2], p[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    NEED(pipe(p));
    int fds[4] = {p[0], p[1], s[0], 0};
    SHOW(give(s[0], fds, 3, "three"));
    take(s[1], 256, 64, 0);
    SHOW(give(s[0], fds, 3, "room for one"));
    take(s[1], CMSG_SPACE(sizeof(int)), 64, 0);
    SHOW(give(s[0], fds, 1, "no room"));
    take(s[1], 0, 64, 0);
    SHOW(give(s[0], fds, 1, "cloexec"));
    take(s[1], 256, 64, MSG_CMSG_CLOEXEC);
    SHOW(give(s[0], fds, 1, "abc"));
    SHOW(write(s[0], "def", 3));
    SHOW(give(s[0], fds, 2, "ghi"));
    SHOW(write(s[0], "jkl", 3));
    take(s[1], 256, 2, 0);
    take(s[1], 256, 64, 0);
    take(s[1], 256, 64, 0);
    take(s[1], 256, 64, MSG_DONTWAIT);
    fds[0] = 0x7777;
    SHOW(give(s[0], fds, 1, "bad"));
    int on = 1;
    NEED(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    SHOW(write(s[0], "who", 3));
    take(s[1], 256, 64, MSG_PEEK);
    take(s[1], 256, 64, 0);
    fds[0] = p[0];
    SHOW(give(s[0], fds, 1, "both"));
    take(s[1], 256, 64, 0);
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    fds[0] = s[1];
    SHOW(give(s[0], fds, 1, "itself"));
    close(s[1]);
    SHOW(send(s[0], "x", 1, MSG_DONTWAIT) == 1 || errno == ECONNREFUSED);
    return 0;
}
