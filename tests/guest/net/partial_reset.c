// A blocking write of which a part went out before the peer reset the connection: the part is told, then the error.
// libc: musl
#include "asleep.h"
#include "sockets.h"
static int peer;
static pid_t writer;
static volatile int broken;
static void note(int number) { broken++; }
static void *reset(void *unused) {
    char b[1000];
    read(peer, b, sizeof b), await_asleep(writer);
    struct linger now = {1, 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), close(peer);
    return unused;
}
static void run(int vector) {
    static char bytes[16 << 20];
    int port, l = listener(&port, 1), s = dial(port), error = 0;
    socklen_t size = sizeof error;
    pthread_t t;
    writer = getpid(), peer = NEED(accept(l, NULL, NULL)), pthread_create(&t, NULL, reset, NULL);
    long n = vector ? send(s, bytes, sizeof bytes, MSG_NOSIGNAL) : write(s, bytes, sizeof bytes);
    CHECK(n > 1000 && n < sizeof bytes), SHOW(broken), pthread_join(t, NULL), SHOW(write(s, "x", 1)), SHOW(write(s, "x", 1)), SHOW(getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &size)), printf("%s\n", error_name(error)), SHOW(broken), broken = 0, close(s), close(l);
}
int main(void) {
    signal(SIGPIPE, note), run(0), run(1);
    return 0;
}
