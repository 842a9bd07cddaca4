// Packet mode: each write is one packet, the rest of a packet is lost, flags can be changed.
// libc: musl
#include "check.h"
int main(void) {
    int p[2];
    char b[64];
    NEED(pipe2(p, O_DIRECT | O_NONBLOCK));
    SHOW(write(p[1], "one", 3)), SHOW(write(p[1], "three", 5)), SHOW(write(p[1], "four", 4)), SHOW(read(p[0], b, 64)), SHOW(read(p[0], b, 2)), SHOW(read(p[0], b, 64)), SHOW(read(p[0], b, 64)), close(p[1]), SHOW(read(p[0], b, 64));
    return 0;
}
