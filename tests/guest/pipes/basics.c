// A pipe keeps order, ends when its writers are gone, and answers EBADF at the wrong end.
#include "check.h"
int main(void) {
    int p[2];
    char bytes[16] = {0};
    SHOW(pipe(p));
    SHOW(write(p[1], "abc", 3));
    SHOW(write(p[1], "def", 3));
    SHOW(read(p[0], bytes, 4));
    puts(bytes);
    SHOW(read(p[0], bytes, 16));
    SHOW(write(p[0], "x", 1));
    SHOW(read(p[1], bytes, 1));
    int extra = dup(p[1]);
    close(p[1]);
    SHOW(write(extra, "z", 1));
    close(extra);
    SHOW(read(p[0], bytes, 16));
    SHOW(read(p[0], bytes, 16));
    SHOW(syscall(SYS_pipe, 8L));
    SHOW(pipe2(p, 0x40000000));
    return 0;
}
