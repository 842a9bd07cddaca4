// Megabytes through TCP and unix streams in both directions at once, with sums.
// libc: musl
#include "sockets.h"
#include <pthread.h>
#define SIZE (3 << 20)
static void *writer(void *fd) {
    static char b[65536];
    for (int i = 0; i < 65536; i++) b[i] = i * 7;
    for (long left = SIZE; left > 0;) {
        long n = write((int)(long)fd, b + (SIZE - left) % 65536, left < 40000 && left < 65536 - (SIZE - left) % 65536 ? left : 65536 - (SIZE - left) % 65536);
        if (n <= 0) return (void *)1;
        left -= n;
    }
    shutdown((int)(long)fd, SHUT_WR);
    return NULL;
}
static long reader(int fd) {
    char b[30000];
    long sum = 0, n;
    while ((n = read(fd, b, sizeof b)) > 0) for (long i = 0; i < n; i++) sum += (unsigned char)b[i];
    return sum;
}
static void *reading(void *fd) { return (void *)reader((int)(long)fd); }
static void both(int a, int b) {
    pthread_t t[3];
    void *r;
    pthread_create(&t[0], NULL, writer, (void *)(long)a), pthread_create(&t[1], NULL, writer, (void *)(long)b), pthread_create(&t[2], NULL, reading, (void *)(long)a);
    SHOW(reader(b)), pthread_join(t[2], &r), SHOW(r), pthread_join(t[0], &r), SHOW(r), pthread_join(t[1], &r), SHOW(r);
}
int main(void) {
    int port, l = listener(&port, 1), c = dial(port), p[2];
    both(c, NEED(accept(l, NULL, NULL)));
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, p)), both(p[0], p[1]);
    return 0;
}
