// MSG_WAITALL, MSG_PEEK, MSG_TRUNC and the low-water mark of a stream.
#include "sockets.h"
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
static int client;
static void *writer(void *unused) {
    for (int i = 0; i < 5; i++) {
        sleep_ms(20);
        if (write(client, "abcd", 4) != 4) exit(97);
    }
    sleep_ms(20);
    shutdown(client, SHUT_WR);
    return unused;
}
int main(void) {
    int port, server = listener(&port, 5);
    client = dial(port);
    int peer = NEED(accept(server, NULL, NULL));
    pthread_t t;
    pthread_create(&t, NULL, writer, NULL);
    char bytes[64] = {0};
    SHOW(recv(peer, bytes, 4, MSG_WAITALL | MSG_PEEK));
    SHOW(recv(peer, bytes, 14, MSG_WAITALL));
    printf("%.14s\n", bytes);
    SHOW(recv(peer, bytes, 60, MSG_WAITALL));
    printf("%.6s\n", bytes);
    SHOW(recv(peer, bytes, 60, MSG_WAITALL));
    pthread_join(t, NULL);
    close(peer), close(client);
    client = dial(port), peer = NEED(accept(server, NULL, NULL));
    int low = 5, left;
    SHOW(setsockopt(peer, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
    struct pollfd p = {peer, POLLIN, 0};
    NEED(write(client, "1234", 4));
    SHOW(poll(&p, 1, 20));
    NEED(write(client, "56789", 5));
    SHOW(poll(&p, 1, 60000));
    SHOW(ioctl(peer, FIONREAD, &left));
    SHOW(left);
    SHOW(recv(peer, NULL, 3, MSG_TRUNC));
    SHOW(recv(peer, bytes, 64, MSG_DONTWAIT));
    printf("%.6s\n", bytes);
    SHOW(ioctl(server, FIONREAD, &left));
    SHOW(recv(peer, bytes, 4, MSG_DONTWAIT));
    SHOW(recv(peer, bytes, 4, MSG_OOB));
    SHOW(recv(peer, bytes, 4, MSG_ERRQUEUE));
    return 0;
}
