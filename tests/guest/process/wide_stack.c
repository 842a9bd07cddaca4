// A stack as deep as its limit allows, and death beyond.
// libc: glibc
#include "children.h"
#include <sys/resource.h>
static long deep(long left) {
    volatile char room[1024];
    room[0] = left, room[1023] = 1;
    return left ? deep(left - 1) + room[1023] : room[1023];
}
int main(void) {
    SHOW(deep(6000));
    IN_CHILD("beyond", deep(1 << 20));
    return 0;
}
