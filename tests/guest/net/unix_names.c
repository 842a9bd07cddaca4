// Names of unix sockets: files, abstract ones, too long, in use, gone, permissions, connect's errors.
// libc: musl
#include "../children.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
static socklen_t name(struct sockaddr_un *a, const char *text, int length) {
    return memset(a, 0, sizeof *a), a->sun_family = AF_UNIX, memcpy(a->sun_path, text, length), offsetof(struct sockaddr_un, sun_path) + length;
}
int main(void) {
    enter_scratch();
    struct sockaddr_un a;
    struct stat st;
    int s = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), t = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), d = NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    socklen_t n = name(&a, "sock", 4);
    SHOW(connect(c, (void *)&a, n)), SHOW(bind(s, (void *)&a, n)), SHOW(bind(s, (void *)&a, n)), SHOW(bind(t, (void *)&a, n)), SHOW(connect(c, (void *)&a, n)), SHOW(listen(s, 1)), SHOW(connect(d, (void *)&a, n)), stat("sock", &st), printf("%o\n", st.st_mode & S_IFMT), SHOW(open("sock", O_RDWR)), n = name(&a, "./sock", 6), SHOW(connect(c, (void *)&a, n)), n = sizeof a, SHOW(getpeername(c, (void *)&a, &n)), printf("%d %s\n", n, a.sun_path), n = sizeof a, SHOW(getsockname(c, (void *)&a, &n)), SHOW(n);
    SHOW(unlink("sock")), n = name(&a, "sock", 4), SHOW(bind(t, (void *)&a, n)), close(t), t = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), SHOW(connect(t, (void *)&a, n)), put_file("plain", ""), n = name(&a, "plain", 5), SHOW(connect(t, (void *)&a, n)), SHOW(bind(t, (void *)&a, n)), n = name(&a, "none/x", 6), SHOW(bind(t, (void *)&a, n)), SHOW(connect(t, (void *)&a, n));
    n = name(&a, "\0guest-abstract", 15), SHOW(bind(t, (void *)&a, n)), SHOW(listen(t, 1));
    int e = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), f = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(bind(e, (void *)&a, n)), SHOW(connect(e, (void *)&a, n - 1)), SHOW(connect(e, (void *)&a, n)), n = sizeof a, getpeername(e, (void *)&a, &n), SHOW(n), close(t), n = name(&a, "\0guest-abstract", 15), SHOW(connect(f, (void *)&a, n));
    SHOW(bind(f, (void *)&a, 200)), SHOW(bind(f, (void *)&a, 1)), a.sun_family = AF_INET, SHOW(bind(f, (void *)&a, n));
    char big[108];
    memset(big, 'b', 108), n = name(&a, big, 108), SHOW(bind(f, (void *)&a, n)), n = sizeof a, SHOW(getsockname(f, (void *)&a, &n)), SHOW(n), big[107] = 0, unlink(big);
    char whole[109] = {0};
    memset(whole, 'b', 108), unlink(whole), chmod(".", 0777), n = name(&a, "guard", 5), s = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), NEED(bind(s, (void *)&a, n)), listen(s, 1), chmod("guard", 0700);
    IN_CHILD("user", setresuid(5, 5, 5); int u = socket(AF_UNIX, SOCK_STREAM, 0); SHOW(connect(u, (void *)&a, n)); chmod("guard", 0));
    unlink("guard"), unlink("sock"), unlink("plain");
    return 0;
}
