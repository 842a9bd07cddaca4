// A small HTTP/1.1 server: one thread, one connection at a time, keep-alive.
//
// GET / greets, POST /echo sends the body back as it comes, GET /random gives 16 random bytes. X-Count is the number
// of calls that this process has served. Built with musl (static) and with glibc (dynamic).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef NAME
#define NAME "C"
#endif

static unsigned long count;

// What was read from a connection and not used yet.
struct input {
    int fd;
    size_t used, filled;
    char bytes[16384];
};

static int send_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = write(fd, bytes, size);
        if (sent <= 0) return -1;
        bytes += sent, size -= sent;
    }
    return 0;
}

static int send_head(int fd, const char *status, const char *kind, unsigned long long size) {
    char head[256];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %llu\r\nX-Count: %lu\r\n\r\n", status, kind,
                          size, count);
    return send_all(fd, head, length);
}

static int send_text(int fd, const char *status, const char *text) {
    char answer[512];
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nX-Count: %lu\r\n\r\n%s", status,
                          strlen(text), count, text);
    return send_all(fd, answer, length);
}

// Reads on until the blank line after the head is there; returns the head's length, 0 at the end of the stream.
static size_t read_head(struct input *in) {
    memmove(in->bytes, in->bytes + in->used, in->filled -= in->used);
    in->used = 0;
    for (;;) {
        char *end = memmem(in->bytes, in->filled, "\r\n\r\n", 4);
        if (end) return end + 4 - in->bytes;
        if (in->filled == sizeof in->bytes) return 0;
        ssize_t got = read(in->fd, in->bytes + in->filled, sizeof in->bytes - in->filled);
        if (got <= 0) return 0;
        in->filled += got;
    }
}

static const char *header(char *head, const char *name) {
    size_t length = strlen(name);
    for (char *line = strstr(head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " ");
    return NULL;
}

// Sends `size` bytes of body back, or only takes them.
static int pass_body(struct input *in, unsigned long long size, int back) {
    while (size > 0) {
        if (in->used == in->filled) {
            ssize_t got = read(in->fd, in->bytes, sizeof in->bytes);
            if (got <= 0) return -1;
            in->used = 0, in->filled = got;
        }
        size_t part = in->filled - in->used;
        if (part > size) part = size;
        if (back && send_all(in->fd, in->bytes + in->used, part) == -1) return -1;
        in->used += part, size -= part;
    }
    return 0;
}

static int random_text(int fd) {
    unsigned char random[16];
    char text[34];
    if (getrandom(random, sizeof random, 0) != sizeof random) return send_text(fd, "500 No Randomness", "");
    for (int i = 0; i < 16; i++) sprintf(text + 2 * i, "%02x", random[i]);
    strcat(text, "\n");
    return send_text(fd, "200 OK", text);
}

static int serve_one(struct input *in) {
    size_t length = read_head(in);
    if (length == 0) return -1;
    char head[sizeof in->bytes];
    memcpy(head, in->bytes, length);
    head[length - 2] = 0;
    in->used = length;
    count++;
    const char *size = header(head, "content-length");
    unsigned long long body = size ? strtoull(size, NULL, 10) : 0;
    if (header(head, "transfer-encoding")) return send_text(in->fd, "411 Length Required", ""), -1;
    if (strncmp(head, "POST /echo ", 11) == 0) {
        if (send_head(in->fd, "200 OK", "application/octet-stream", body) == -1) return -1;
        return pass_body(in, body, 1);
    }
    if (pass_body(in, body, 0) == -1) return -1;
    if (strncmp(head, "GET / ", 6) == 0) return send_text(in->fd, "200 OK", "hello from " NAME "\n");
    if (strncmp(head, "GET /random ", 12) == 0) return random_text(in->fd);
    return send_text(in->fd, "404 Not Found", "no such page\n");
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const char *port = getenv("PORT");
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
    int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (struct sockaddr *)&here, sizeof here) == -1 || listen(server, 64) == -1) {
        perror("cannot listen");
        return 1;
    }
    for (;;) {
        static struct input in;
        in = (struct input){.fd = accept(server, NULL, NULL)};
        if (in.fd == -1) continue;
        setsockopt(in.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        while (serve_one(&in) == 0) {
        }
        close(in.fd);
    }
}
