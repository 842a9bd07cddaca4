// Two mappings, read, write and truncate of one file see each other at once.
// libc: glibc
#include "check.h"
#include <sys/mman.h>
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    int fd = NEED(open("f", O_RDWR));
    char *one = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *two = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0), *priv = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *hole = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole + 4096, 4096);
    one[0] = 'a', printf("%.10s %.10s %.10s\n", one, two, priv), show_file("f");
    pwrite(fd, "B", 1, 1), printf("%.10s %.10s %.10s\n", one, two, priv);
    priv[2] = 'p', pwrite(fd, "C", 1, 2), pwrite(fd, "D", 1, 3), printf("%.10s %.10s\n", two, priv);
    one[20] = 'z', SHOW(lseek(fd, 0, SEEK_END));
    ftruncate(fd, 5), SHOW(two[5]), SHOW(two[20]), ftruncate(fd, 30), SHOW(two[7]), SHOW(two[20]);
    ftruncate(fd, 8192), one[4096] = 'n', SHOW(pread(fd, &(char){0}, 1, 4096)), ftruncate(fd, 4096), ftruncate(fd, 8192), SHOW(one[4096]);
    SHOW(msync(one, 8192, MS_SYNC)), SHOW(msync(one, 8192, MS_ASYNC | MS_SYNC)), SHOW(msync(one + 1, 1, MS_SYNC)), SHOW(msync(hole, 3 * 4096, MS_SYNC)), SHOW(msync(one, 8192, MS_INVALIDATE));
    close(fd), unlink("f"), one[0] = 'q', SHOW(two[0] == 'q');
    munmap(one, 8192), SHOW(two[0] == 'q');
    return 0;
}
