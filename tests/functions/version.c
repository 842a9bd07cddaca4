// A function for tests: answers with what the file /version says, which tells one image from the next.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    static char version[4096], head[256], request[65536];
    int file = open("/version", O_RDONLY);
    ssize_t size = file < 0 ? 0 : read(file, version, sizeof version);
    const char *port = getenv("PORT");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port ? port : "8080"))};
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (size < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) return 1;
    // A version that says so never listens well: for bakes that fail.
    if (strstr(version, "broken")) return 3;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) continue;
        size_t used = 0;
        while (used < sizeof request - 1) {
            ssize_t got = read(connection, request + used, sizeof request - 1 - used);
            if (got <= 0) break;
            used += got, request[used] = 0;
            if (strstr(request, "\r\n\r\n")) break;
        }
        printf("asked for version %.*s\n", (int)size, version), fflush(stdout);
        int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zd\r\nConnection: close\r\n\r\n", size);
        if (write(connection, head, length) == length) (void)!write(connection, version, size);
        close(connection);
    }
}
