// SCM_CREDENTIALS, SO_PASSCRED, SO_PEERCRED: who sent, who connected, and lies that are refused.
// libc: musl
#include "../children.h"
#include <sys/socket.h>
#include <sys/un.h>
static void got(int s) {
    char t[8], control[128] = {0};
    struct iovec v = {t, 8};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(s, &m, MSG_DONTWAIT);
    printf("%d %s:", (int)n, n < 0 ? error_name(errno) : "bytes");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        struct ucred *u = (void *)CMSG_DATA(c);
        printf(" type %d pid %s uid %d gid %d", c->cmsg_type, u->pid == getpid() ? "own" : u->pid == getppid() ? "parent" : "other", u->uid, u->gid);
    }
    printf("\n");
}
static int put(int s, pid_t pid, uid_t uid, gid_t gid) {
    char control[CMSG_SPACE(sizeof(struct ucred))] = {0};
    struct iovec v = {"hi", 2};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = CMSG_LEN(sizeof(struct ucred)), *(struct ucred *)CMSG_DATA(c) = (struct ucred){pid, uid, gid};
    return sendmsg(s, &m, MSG_DONTWAIT);
}
int main(void) {
    int p[2], one = 1;
    struct ucred u;
    socklen_t n = sizeof u;
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
    send(p[0], "a", 1, 0), got(p[1]), SHOW(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &one, 4)), send(p[0], "a", 1, 0), got(p[1]), SHOW(put(p[0], getpid(), 0, 0)), got(p[1]), SHOW(put(p[0], getpid(), 7, 8)), got(p[1]), SHOW(put(p[0], getpid(), -1, 0));
    IN_CHILD("user", setresgid(5, 6, 7); setresuid(5, 6, 7); SHOW(put(p[0], getpid(), 0, 5)); SHOW(put(p[0], getpid(), 6, 7)); got(p[1]); SHOW(put(p[0], getppid(), 5, 5)); send(p[0], "x", 1, 0); got(p[1]));
    SHOW(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &n)), printf("%d %d %d\n", u.pid == getpid(), u.uid, u.gid);
    int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &n)), printf("%d %d %d\n", u.pid, u.uid, u.gid);
    struct sockaddr_un a = {AF_UNIX};
    socklen_t size = 3;
    SHOW(bind(l, (void *)&a, 2)), listen(l, 1), size = sizeof a, getsockname(l, (void *)&a, &size), SHOW(size), SHOW(a.sun_path[0]);
    IN_CHILD("client", setresuid(9, 9, 9); SHOW(connect(c, (void *)&a, size)); getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &n); printf("%d %d\n", u.pid == getppid(), u.uid));
    int s = NEED(accept(l, NULL, NULL));
    getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &n), printf("%d\n", u.uid);
    return 0;
}
