// A function for tests: each call tells what generators of libraries give, of which the snapshot has a copy.
//
// Lines of "library hex".
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Declared here: a system that has the libraries need not have their headers.
int RAND_bytes(unsigned char *bytes, int count);
int RAND_priv_bytes(unsigned char *bytes, int count);
int gnutls_rnd(int level, void *bytes, size_t count);

static int note(char *out, const char *name, const unsigned char *bytes) {
    int length = sprintf(out, "%s ", name);
    for (int i = 0; i < 16; i++) length += sprintf(out + length, "%02x", bytes[i]);
    return length + sprintf(out + length, "\n");
}

static int draw(char *out) {
    unsigned char bytes[16];
    int length = 0;
    if (RAND_bytes(bytes, 16) != 1) exit(2);
    length += note(out + length, "openssl", bytes);
    if (RAND_priv_bytes(bytes, 16) != 1) exit(2);
    length += note(out + length, "openssl-private", bytes);
#ifdef WITH_GNUTLS
    static const char *names[] = {"gnutls-nonce", "gnutls-random", "gnutls-key"};
    for (int level = 0; level < 3; level++) {
        if (gnutls_rnd(level, bytes, 16) != 0) exit(3);
        length += note(out + length, names[level], bytes);
    }
#endif
    return length;
}

// A thread has generators of its own. It draws once before the snapshot and once in each call.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char told[1024];
static int wanted, done;

static void *drawer(void *unused) {
    pthread_mutex_lock(&lock);
    for (;;) {
        while (wanted == done) pthread_cond_wait(&changed, &lock);
        draw(told), done = wanted;
        pthread_cond_broadcast(&changed);
    }
    return unused;
}

int main(void) {
    const char *port = getenv("PORT");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    if (pthread_create(&thread, NULL, drawer, NULL) || bind(listener, (void *)&address, sizeof address) || listen(listener, 16)) return 1;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char request[4096], body[2048], head[128];
        if (fd == -1 || read(fd, request, sizeof request) <= 0) continue;
        int length = draw(body);
        pthread_mutex_lock(&lock);
        wanted++, pthread_cond_broadcast(&changed);
        while (wanted != done) pthread_cond_wait(&changed, &lock);
        length += sprintf(body + length, "%s", told);
        pthread_mutex_unlock(&lock);
        int size = sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", length);
        if (write(fd, head, size) != size || write(fd, body, length) != length) return 5;
        close(fd);
    }
}
