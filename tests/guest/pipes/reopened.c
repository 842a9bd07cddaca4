// A pipe opened once more by its link in /proc/self/fd: another end, another mode.
// libc: glibc
#include "check.h"
int main(void) {
    int p[2];
    char path[64], b[8];
    NEED(pipe(p)), snprintf(path, 64, "/proc/self/fd/%d", p[0]);
    int w = NEED(open(path, O_WRONLY)), rw = NEED(open(path, O_RDWR | O_NONBLOCK));
    SHOW(write(w, "abc", 3)), SHOW(read(p[0], b, 1)), SHOW(read(rw, b, 8)), SHOW(read(rw, b, 8)), close(p[1]), close(w), SHOW(write(rw, "x", 1)), SHOW(read(p[0], b, 8)), close(rw), SHOW(read(p[0], b, 8));
    ssize_t n = readlink(path, path, 5);
    printf("%.*s\n", (int)n, path);
    return 0;
}
