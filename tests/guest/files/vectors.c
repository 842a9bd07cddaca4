// readv and writev gather and scatter; a bad element ends the transfer where it lies.
#include "check.h"
#include <sys/uio.h>
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    struct iovec out[3] = {{"first ", 6}, {"second ", 7}, {"third", 5}};
    SHOW(writev(fd, out, 3));
    SHOW(writev(fd, out, 0));
    lseek(fd, 0, SEEK_SET);
    char a[5] = {0}, b[100] = {0};
    struct iovec in[2] = {{a, 4}, {b, 99}};
    SHOW(readv(fd, in, 2));
    printf("[%s] [%s]\n", a, b);
    struct iovec bad[2] = {{"ok", 2}, {(void *)8, 4}};
    SHOW(writev(fd, bad, 2) > 0);
    struct iovec worse[1] = {{(void *)8, 4}};
    SHOW(writev(fd, worse, 1));
    SHOW(writev(fd, (struct iovec *)8, 1));
    struct iovec negative[1] = {{a, (size_t)-1}};
    SHOW(writev(fd, negative, 1));
    SHOW(writev(fd, out, 1025));
    unlink("f");
    return 0;
}
