// The routes of all samples in plain C: one connection after another, bodies up to 4 MiB, no keep-alive.
//
// Random bytes come from the kernel, or from OpenSSL's generator with -DWITH_OPENSSL. An error aborts the program.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef WITH_OPENSSL
#include <openssl/rand.h>
#endif

enum { LIMIT = 4 << 20, HEAD = 64 << 10 };

static char input[HEAD + LIMIT], answer[LIMIT + 64];
static unsigned calls;

static void draw(unsigned char *bytes, int size) {
#ifdef WITH_OPENSSL
    if (RAND_bytes(bytes, size) != 1) abort();
#else
    if (getrandom(bytes, size, 0) != size) abort();
#endif
}

static size_t random_hex(void) {
    unsigned char bytes[16];
    draw(bytes, sizeof bytes);
    for (int i = 0; i < 16; i++) sprintf(answer + 2 * i, "%02x", bytes[i]);
    return 32;
}

static size_t uuid(void) {
    unsigned char b[16];
    if (getrandom(b, 16, 0) != 16) abort();
    b[6] = (b[6] & 15) | 64, b[8] = (b[8] & 63) | 128;
    char *at = answer;
    for (int i = 0; i < 16; i++) at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
    return at - answer;
}

static size_t file(const char *body, size_t size) {
    int fd = open("/tmp/written", O_CREAT | O_TRUNC | O_RDWR, 0600);
    if (fd < 0 || write(fd, body, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0) abort();
    ssize_t got = read(fd, answer, LIMIT);
    close(fd);
    return got < 0 ? 0 : got;
}

static size_t echo(const char *body, size_t size) {
    size_t start = sprintf(answer, "{\"echo\": ");
    memcpy(answer + start, body, size);
    answer[start + size] = '}';
    return start + size + 1;
}

static size_t route(const char *path, const char *body, size_t size) {
    if (!strcmp(path, "/count")) return sprintf(answer, "%u", ++calls);
    if (!strcmp(path, "/uuid")) return uuid();
    if (!strcmp(path, "/random")) return random_hex();
    if (!strcmp(path, "/file")) return file(body, size);
    if (!strcmp(path, "/json")) return echo(body, size);
    if (!strcmp(path, "/body")) return memcpy(answer, body, size), size;
    abort();
}

static void send_all(int fd, const char *bytes, size_t size) {
    for (ssize_t sent; size > 0 && (sent = write(fd, bytes, size)) > 0; bytes += sent, size -= sent) {}
}

static void serve(int fd) {
    size_t have = 0, length = 0;
    char *end = NULL;
    for (;;) {
        ssize_t got = read(fd, input + have, sizeof input - 1 - have);
        if (got <= 0) return;
        input[have += got] = 0;
        if (!end && (end = strstr(input, "\r\n\r\n"))) {
            char *field = strcasestr(input, "\r\ncontent-length:");
            length = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
            if (length > LIMIT) return;
        }
        if (end && have >= (size_t)(end + 4 - input) + length) break;
    }
    char method[8], path[64], head[128];
    if (sscanf(input, "%7s %63s", method, path) != 2) return;
    size_t size = route(path, end + 4, length);
    send_all(fd, head, sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", size));
    send_all(fd, answer, size);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const char *port = getenv("PORT");
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 64)) return perror("listen"), 1;
    for (;;) {
        int connection = accept(fd, NULL, NULL);
        if (connection < 0) continue;
        serve(connection);
        close(connection);
    }
}
