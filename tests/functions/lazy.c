// A function for tests: its first request does what a runtime does once, and takes some milliseconds more than the next.
//
// Connections are kept, one at a time. The answer says how many requests the process has had.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// So much work takes longer than the rest of a call by far, on any machine.
static volatile unsigned long work;

static void begin_late(void) {
    for (unsigned long i = 0; i < 150000000; i++) work += i;
}

int main(void) {
    const char *port = getenv("PORT");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 16)) return 1;
    unsigned count = 0;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char request[4096], answer[256], body[32];
        for (;;) {
            ssize_t size = fd == -1 ? -1 : read(fd, request, sizeof request - 1);
            if (size <= 0) break;
            request[size] = 0;
            if (count++ == 0) begin_late();
            int length = sprintf(body, "%u\n", count);
            int whole = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
            if (write(fd, answer, whole) != whole || strcasestr(request, "connection: close")) break;
        }
        if (fd != -1) close(fd);
    }
}
