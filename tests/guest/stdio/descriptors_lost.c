// Programs without standard descriptors: what the next open gets, writing nowhere.
// libc: musl
#include "children.h"
int main(void) {
    IN_CHILD("no stdin", close(0); SHOW(open("/dev/null", O_RDONLY)); SHOW(read(0, (char[1]){0}, 1)));
    IN_CHILD("no stdout", int keep = dup(1); close(1); errno = 0; int r = write(1, "x", 1); int e = errno; dup2(keep, 1); printf("%d %s\n", r, error_name(e)));
    IN_CHILD("dup2 onto itself", SHOW(dup2(1, 1)); SHOW(dup2(1, 2)); fprintf(stderr, "to standard output\n"));
    return 0;
}
