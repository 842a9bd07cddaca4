// accept sleeps until a client comes; shutdown of a listening socket wakes it.
#include "sockets.h"
#include <pthread.h>
static int port, server;
static void *come_and_stop(void *n) {
    sleep_ms(20);
    int fd = dial(port);
    char c;
    read(fd, &c, 1);
    shutdown(server, SHUT_RDWR);
    return n;
}
int main(void) {
    server = listener(&port, 1);
    pthread_t t;
    pthread_create(&t, NULL, come_and_stop, NULL);
    int peer = accept(server, NULL, NULL);
    CHECK(peer >= 0);
    write(peer, "x", 1);
    SHOW(accept(server, NULL, NULL));
    pthread_join(t, NULL);
    return 0;
}
