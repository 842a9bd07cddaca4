// A large write to a peer that has closed takes what fits and no more; the next ones fail.
#include "check.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/uio.h>
static char bytes[1 << 20];
static struct iovec parts[64];
static int connected(int *other) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = NEED(socket(AF_INET, SOCK_STREAM, 0)), client = NEED(socket(AF_INET, SOCK_STREAM, 0));
    NEED(bind(listener, (void *)&address, size)), NEED(listen(listener, 1)), getsockname(listener, (void *)&address, &size);
    NEED(connect(client, (void *)&address, size)), *other = NEED(accept(listener, NULL, NULL)), close(listener);
    return client;
}
int main(void) {
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 64; i++) parts[i] = (struct iovec){bytes, sizeof bytes};
    for (int how = 0; how < 2; how++) {
        int other, client = connected(&other);
        close(other);
        ssize_t got = how ? writev(client, parts, 64) : send(client, bytes, sizeof bytes, 0);
        if (how) printf("writev: %s\n", got > 0 && got < 64 << 20 ? "a part" : got < 0 ? error_name(errno) : "all of it");
        SHOW(writev(client, parts, 64)), SHOW(send(client, "x", 1, 0)), SHOW(recv(client, bytes, 1, 0));
        close(client);
    }
    return 0;
}
