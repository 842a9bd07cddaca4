// Unix sockets with a path: listening, connecting, what is left behind.
#include "sockets.h"
#include <sys/un.h>
int main(void) {
    enter_scratch();
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int server = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), client = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW(connect(client, (struct sockaddr *)&a, sizeof a));
    SHOW(bind(server, (struct sockaddr *)&a, sizeof a));
    SHOW(connect(client, (struct sockaddr *)&a, sizeof a));
    SHOW(listen(server, 3));
    SHOW(connect(client, (struct sockaddr *)&a, sizeof a));
    int peer = accept(server, NULL, NULL);
    CHECK(peer >= 0);
    char bytes[8] = {0};
    SHOW(write(client, "path", 4));
    SHOW(read(peer, bytes, 8));
    puts(bytes);
    struct stat s;
    SHOW(stat("socket", &s));
    CHECK(S_ISSOCK(s.st_mode));
    SHOW(open("socket", O_RDWR));
    SHOW(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a));
    struct sockaddr_un name = {0};
    socklen_t size = sizeof name;
    SHOW(getsockname(server, (struct sockaddr *)&name, &size));
    puts(name.sun_path);
    struct ucred who;
    size = sizeof who;
    SHOW(getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size));
    CHECK(who.pid == getpid() && who.uid == getuid());
    unlink("socket");
    return 0;
}
