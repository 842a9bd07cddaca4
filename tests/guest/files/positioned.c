// pread, pwrite and their vector forms leave the position alone.
#include "check.h"
#include <sys/uio.h>
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    char a[4] = {0}, b[8] = {0};
    SHOW(pwrite(fd, "abcdef", 6, 4));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(pread(fd, b, 6, 2));
    for (int i = 0; i < 6; i++) printf("%d ", b[i]);
    puts("");
    SHOW(pread(fd, b, 6, 100));
    SHOW(pread(fd, b, 6, -1));
    SHOW(pwrite(fd, b, 1, -1));
    struct iovec in[3] = {{"one", 3}, {"", 0}, {"three", 5}};
    SHOW(pwritev(fd, in, 3, 20));
    struct iovec out[2] = {{a, 2}, {b, 8}};
    SHOW(preadv(fd, out, 2, 20));
    printf("%.2s %.6s\n", a, b);
    SHOW(preadv(fd, out, -1, 20));
    SHOW(preadv(fd, out, 2000, 20));
    SHOW(lseek(fd, 0, SEEK_CUR));
    int pair[2];
    NEED(pipe(pair));
    SHOW(pread(pair[0], b, 1, 0));
    SHOW(pwrite(pair[1], b, 1, 0));
    unlink("f");
    return 0;
}
