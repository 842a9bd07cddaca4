// A function for tests: answers, while a second process starts a third one every ten milliseconds, as scripts do.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(8080)};
    if (bind(fd, (void *)&here, sizeof here) || listen(fd, 8)) return 1;
    if (fork() == 0) {
        for (;;) {
            usleep(10000);
            if (fork() == 0) {
                // As much work as a small program is until it ends.
                for (volatile int i = 0; i < 200000; i++);
                _exit(0);
            }
            wait(NULL);
        }
    }
    for (;;) {
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
        char request[4096];
        int client = accept(fd, NULL, NULL);
        if (read(client, request, sizeof request) > 0) write(client, answer, sizeof answer - 1);
        close(client);
    }
}
