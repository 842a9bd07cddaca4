// Reaches a peer once for each byte of its standard input, and prints what it did with the nanoseconds it took:
// client get|down|up HOST PORT [BYTES]
//   get     a connection, a request of a kibibyte's answer, the answer
//   down    BYTES bytes, by reads of 256 KiB        up      BYTES bytes, by writes of 256 KiB, until the peer says that it has them
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[256 << 10];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int count, char **words) {
    if (count < 4) return 2;
    const char *mode = words[1];
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(words[3]))};
    inet_pton(AF_INET, words[2], &peer.sin_addr);
    long bytes = count > 4 ? atol(words[4]) : 1024;
    for (char turn; read(0, &turn, 1) == 1;) {
        double begun = now();
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (void *)&peer, sizeof peer) < 0) fail("connect");
        int length = snprintf(buffer, sizeof buffer, "%s %ld\n", mode, bytes);
        if (write(fd, buffer, length) != length) fail("write");
        for (long left = bytes; left > 0;) {
            long some = left < (long)sizeof buffer ? left : (long)sizeof buffer;
            some = strcmp(mode, "up") ? read(fd, buffer, some) : write(fd, buffer, some);
            if (some <= 0) fail(mode);
            left -= some;
        }
        if (!strcmp(mode, "up") && read(fd, buffer, 1) != 1) fail("acknowledgement");
        close(fd);
        printf("%s %.0f\n", mode, now() - begun);
        fflush(stdout);
    }
}
