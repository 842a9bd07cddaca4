// A full and an empty pipe answer EAGAIN; small writes are whole or nothing.
#include "check.h"
static char block[4096];
int main(void) {
    int p[2];
    SHOW(pipe2(p, O_NONBLOCK));
    char c;
    SHOW(read(p[0], &c, 1));
    long total = 0;
    for (ssize_t put; (put = write(p[1], block, sizeof block)) > 0;) total += put;
    printf("%s after %ld\n", error_name(errno), total);
    SHOW(write(p[1], block, 1));
    SHOW(read(p[0], block, 100));
    SHOW(write(p[1], block, 4096));
    SHOW(read(p[0], block, 3996));
    SHOW(write(p[1], block, 4096));
    SHOW(fcntl(p[0], F_GETPIPE_SZ));
    return 0;
}
