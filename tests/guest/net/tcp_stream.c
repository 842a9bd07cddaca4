// Four megabytes through a connection between two threads arrive in order; both block in turn.
#include "sockets.h"
#include <pthread.h>
static int port;
static void *send_all(void *n) {
    int fd = dial(port);
    unsigned char bytes[30011];
    for (int i = 0; i < 140; i++) {
        memset(bytes, i, sizeof bytes);
        for (size_t done = 0; done < sizeof bytes;) done += NEED(write(fd, bytes + done, sizeof bytes - done));
    }
    close(fd);
    return n;
}
int main(void) {
    int server = listener(&port, 1);
    pthread_t t;
    pthread_create(&t, NULL, send_all, NULL);
    int fd = NEED(accept(server, NULL, NULL));
    unsigned char bytes[8192];
    unsigned long total = 0, sum = 0;
    for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0; total += got)
        for (ssize_t i = 0; i < got; i++) sum = sum * 31 + bytes[i];
    pthread_join(t, NULL);
    printf("%lu %lx\n", total, sum);
    return 0;
}
