// Two hundred datagrams of all sizes there and back on connected UDP and on unix datagram sockets.
#include "sockets.h"
#include <pthread.h>
#include <sys/un.h>
static void *echo(void *fd) {
    static __thread char in[60000];
    for (;;) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(*(int *)fd, in, sizeof in, 0, (void *)&from, &size);
        if (n < 0 || (n == 4 && !memcmp(in, "stop", 4))) return NULL;
        for (int i = 0; i < n; i++) in[i] ^= 0x5a;
        sendto(*(int *)fd, in, n, 0, size ? (void *)&from : NULL, size);
    }
}
static void run(int server, int client) {
    static char out[60000], in[60000];
    pthread_t t;
    long sum = 0, wrong = 0;
    pthread_create(&t, NULL, echo, &server);
    for (int i = 0; i < 200; i++) {
        int n = i * i % 50000;
        for (int j = 0; j < n; j++) out[j] = i + j;
        if (send(client, out, n, 0) != n) wrong++;
        ssize_t got = recv(client, in, sizeof in, 0);
        wrong += got != n;
        for (int j = 0; j < n; j++) wrong += (in[j] ^ 0x5a) != out[j], sum += in[j];
    }
    send(client, "stop", 4, 0), pthread_join(t, NULL), printf("%ld, %ld wrong\n", sum, wrong);
}
int main(void) {
    int s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), c = NEED(socket(AF_INET, SOCK_DGRAM, 0)), pair[2];
    struct sockaddr_in a = loopback(0);
    bind(s, (void *)&a, sizeof a), a = loopback(port_of(s)), NEED(connect(c, (void *)&a, sizeof a)), run(s, c), NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)), run(pair[0], pair[1]);
    return 0;
}
