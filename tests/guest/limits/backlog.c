// How long a queue of connections that nobody accepts may be: what listen is told, up to what the system has.
// libc: musl
#include "../net/sockets.h"
#include <limits.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>

static long most(void) {
    char text[32] = "";
    int fd = NEED(open("/proc/sys/net/core/somaxconn", O_RDONLY));
    NEED(read(fd, text, 31)), close(fd);
    return atol(text);
}

// The queue's length as TCP_INFO has it.
static long backlog(int told) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
    NEED(listen(s, told)), NEED(getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &size)), close(s);
    return info.tcpi_sacked;
}

// Connections to a unix socket until one would wait.
static int fill(int told) {
    static int made[64];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int s = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), count = 0, error = 0;
    snprintf(name.sun_path + 1, 90, "backlog-%d-%d", (int)getpid(), told);
    NEED(bind(s, (void *)&name, sizeof name)), NEED(listen(s, told));
    for (; count < 64; count++) {
        made[count] = NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
        if (connect(made[count], (void *)&name, sizeof name) == -1) { error = errno, close(made[count]); break; }
    }
    printf("%d: %d connections, then %s\n", told, count, error_name(error));
    for (int i = 0; i < count; i++) close(made[i]);
    return close(s);
}

int main(void) {
    long limit = most();
    SHOW(backlog(1)), SHOW(backlog(0)), SHOW(backlog(100)), CHECK(backlog(limit - 1) == limit - 1), CHECK(backlog(limit) == limit), CHECK(backlog(limit + 1) == limit), CHECK(backlog(INT_MAX) == limit), CHECK(backlog(-1) == limit), CHECK(backlog(INT_MIN) == limit);
    fill(0), fill(1), fill(10), fill(63), fill(-1);
    return 0;
}
