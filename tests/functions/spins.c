// A function for tests: listens, and computes for ever instead of waiting.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
int main(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(8080)};
    bind(fd, (void *)&here, sizeof here);
    listen(fd, 8);
    for (volatile int i = 0;; i++);
}
