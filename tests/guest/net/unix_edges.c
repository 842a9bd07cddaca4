// Unix sockets: autobind, credentials, wrong types, peers that are gone, long and missing names.
#include "sockets.h"
#include <poll.h>
#include <stddef.h>
#include <sys/un.h>
static struct sockaddr_un path(const char *name) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, name);
    return a;
}
#define AT(a) (struct sockaddr *)&(a), sizeof(a)
static void name_of(const char *what, int fd, int peer) {
    struct sockaddr_un a;
    memset(&a, 'x', sizeof a);
    socklen_t size = sizeof a;
    int r = peer ? getpeername(fd, (struct sockaddr *)&a, &size) : getsockname(fd, (struct sockaddr *)&a, &size);
    if (r == -1) printf("%s: %s\n", what, error_name(errno));
    else printf("%s: size %d %s\n", what, (int)size, size > 2 ? (a.sun_path[0] ? a.sun_path : "abstract") : "unnamed");
}
int main(void) {
    enter_scratch();
    signal(SIGPIPE, SIG_IGN);
    int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    sa_family_t family = AF_UNIX;
    name_of("fresh", fd, 0);
    SHOW(bind(fd, (struct sockaddr *)&family, sizeof family));
    name_of("autobound", fd, 0);
    struct sockaddr_un door = path("door"), none = path("none");
    SHOW(bind(fd, AT(door)));
    int server = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(listen(server, 5));
    SHOW(bind(server, AT(door)));
    struct stat st;
    SHOW(stat("door", &st));
    CHECK(S_ISSOCK(st.st_mode));
    printf("mode %o\n", st.st_mode & 0777);
    SHOW(open("door", O_RDONLY) == -1);
    SHOW(bind(NEED(socket(AF_UNIX, SOCK_STREAM, 0)), AT(door)));
    int client = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(connect(client, AT(door)));
    SHOW(connect(client, AT(none)));
    SHOW(connect(NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), AT(door)));
    SHOW(listen(server, 5));
    SHOW(connect(client, AT(door)));
    SHOW(connect(client, AT(door)));
    SHOW(listen(server, 0));
    int second = NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    SHOW(connect(second, AT(door)));
    int third = NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    SHOW(connect(third, AT(door)));
    int peer = NEED(accept(server, NULL, NULL));
    name_of("peer of client", client, 1);
    name_of("peer of accepted", peer, 1);
    name_of("accepted", peer, 0);
    struct { int pid, uid, gid; } cred;
    socklen_t size = sizeof cred;
    SHOW(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &cred, &size));
    CHECK(cred.pid == getpid() && cred.uid == (int)getuid());
    SHOW(write(client, "abc", 3));
    close(peer);
    char c[8];
    SHOW(read(client, c, 8));
    SHOW(read(client, c, 8));
    SHOW(write(client, "x", 1));
    unlink("door");
    SHOW(connect(third, AT(door)));
    int d[2];
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    SHOW(send(d[0], "", 0, 0));
    SHOW(recv(d[1], c, 8, 0));
    SHOW(send(d[0], "longer", 6, 0));
    SHOW(recv(d[1], c, 2, MSG_TRUNC));
    close(d[1]);
    SHOW(send(d[0], "x", 1, 0));
    SHOW(send(d[0], "x", 1, 0));
    NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, d));
    SHOW(write(d[0], "one", 3));
    SHOW(write(d[0], "two", 3));
    SHOW(read(d[1], c, 8));
    SHOW(shutdown(d[0], SHUT_WR));
    SHOW(read(d[1], c, 8));
    SHOW(read(d[1], c, 8));
    SHOW(write(d[0], "x", 1));
    SHOW(recv(NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c, 1, 0));
    SHOW(send(NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c, 1, 0));
    SHOW(send(NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), c, 1, 0));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, d));
    return 0;
}
