// A function that connects outward: GET /HOST/PORT[/PATH] resolves HOST, connects, asks for `/PATH` and answers with what came, or with
// the error's name and a status of 502. GET /kept asks on a connection that was opened before it listened.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial(const char *host, const char *port, char *why, size_t size) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all, *one;
    int failed = getaddrinfo(host, port, &hints, &all), fd = -1;
    if (failed) {
        snprintf(why, size, "%s", gai_strerror(failed));
        return -1;
    }
    for (one = all; one && fd < 0; one = one->ai_next) {
        fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, one->ai_addr, one->ai_addrlen) < 0) {
            snprintf(why, size, "%s", strerror(errno));
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(all);
    return fd;
}

static int ask(int fd, const char *path, char *body, size_t size) {
    char request[4096], answer[4096];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: beyond\r\n\r\n", path);
    if (send(fd, request, length, MSG_NOSIGNAL) < 0) return -1;
    long count = recv(fd, answer, sizeof answer - 1, 0);
    if (count <= 0) return -1;
    answer[count] = 0;
    char *start = strstr(answer, "\r\n\r\n");
    snprintf(body, size, "%s", start ? start + 4 : "no head");
    return 0;
}

static void reply(int fd, int status, const char *body) {
    char text[4096];
    int length = snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(body), body);
    write(fd, text, length);
}

int main(int argc, char **argv) {
    char why[256] = "", body[2048];
    int kept = argc > 2 ? dial(argv[1], argv[2], why, sizeof why) : -1;
    if (argc > 2 && (kept < 0 || ask(kept, "/", body, sizeof body) < 0)) {
        fprintf(stderr, "cannot reach %s: %s\n", argv[1], why);
        return 1;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {AF_INET, htons(8080)};
    bind(listener, (void *)&any, sizeof any);
    listen(listener, 8);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char request[2048] = "", *host = NULL, *port = NULL, *rest = NULL;
        read(fd, request, sizeof request - 1);
        if (!strncmp(request, "GET /kept", 9)) {
            struct pollfd one = {kept, POLLIN | POLLRDHUP, 0};
            poll(&one, 1, 0);
            int bits = one.revents, failed = ask(kept, "/", body, sizeof body), error = errno;
            snprintf(why, sizeof why, "%s%s%s%s", bits & POLLIN ? "IN " : "", bits & POLLHUP ? "HUP " : "", bits & POLLERR ? "ERR " : "",
                     failed ? strerror(error) : "alive");
            reply(fd, 200, why);
        } else if (sscanf(request, "GET /%m[^/ ]/%m[^/ ]%m[^ ]", &host, &port, &rest) >= 2) {
            int out = dial(host, port, why, sizeof why);
            if (out < 0) {
                reply(fd, 502, why);
            } else if (ask(out, rest ? rest : "/", body, sizeof body) < 0) {
                reply(fd, 502, "no answer");
            } else {
                reply(fd, 200, body);
            }
            close(out);
        } else {
            reply(fd, 200, "well");
        }
        free(host);
        free(port);
        free(rest);
        close(fd);
    }
}
