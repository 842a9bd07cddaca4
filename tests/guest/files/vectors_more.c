// preadv2 and pwritev2: flags, append, offsets of -1, short and empty vectors.
// libc: musl
#include "check.h"
#include <sys/uio.h>
#define V2(call, fd, v, n, off, flags) syscall(call, fd, v, n, (long)(off), 0L, flags)
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    char a[4] = {0}, b[8] = {0};
    struct iovec w[3] = {{"one", 3}, {"", 0}, {"three", 5}}, r[2] = {{a, 3}, {b, 7}};
    SHOW(V2(SYS_pwritev2, fd, w, 3, -1, 0)), SHOW(V2(SYS_pwritev2, fd, w, 1, 2, 0)), SHOW(lseek(fd, 0, SEEK_CUR)), SHOW(V2(SYS_preadv2, fd, r, 2, 0, 0)), printf("%s|%s\n", a, b), SHOW(V2(SYS_preadv2, fd, r, 2, -1, 0)), SHOW(V2(SYS_preadv2, fd, r, 2, 6, 0)), SHOW(V2(SYS_preadv2, fd, r, 0, 0, 0)), SHOW(V2(SYS_preadv2, fd, r, 2, -2, 0));
    SHOW(V2(SYS_pwritev2, fd, w, 1, 0, 16)), show_file("f"), SHOW(V2(SYS_pwritev2, fd, w, 1, 0, 2)), SHOW(V2(SYS_pwritev2, fd, w, 1, 0, 1 << 20)), SHOW(V2(SYS_preadv2, fd, r, 2, 0, 8)), SHOW(preadv(fd, r, 2, 3)), SHOW(pwritev(fd, w, 3, 100)), SHOW(preadv(fd, r, 2, -1)), SHOW(lseek(fd, 0, SEEK_END)), SHOW(readv(fd, r, 2)), SHOW(writev(fd, w, 0)), SHOW(readv(0, r, 1)), SHOW(writev(99, w, 1));
    unlink("f");
    return 0;
}
