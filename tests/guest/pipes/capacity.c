// How much a pipe takes, whole writes of PIPE_BUF, partial larger ones, and room after reads.
// libc: musl
#include "check.h"
#include <poll.h>
int main(void) {
    int p[2];
    static char b[100000];
    NEED(pipe2(p, O_NONBLOCK));
    SHOW(write(p[1], b, 60000)), SHOW(write(p[1], b, 4096)), SHOW(write(p[1], b, 4096)), SHOW(write(p[1], b, 5000)), SHOW(write(p[1], b, 1)), SHOW(read(p[0], b, 4000)), SHOW(write(p[1], b, 4096)), SHOW(read(p[0], b, 100000)), SHOW(write(p[1], b, 100000)), SHOW(read(p[0], b, 0)), SHOW(read(p[0], b, 1 << 16)), SHOW(read(p[0], b, 1));
    return 0;
}
