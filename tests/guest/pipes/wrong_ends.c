// Reading the writing end and the other way round, seeking, mapping, truncating, pread.
// libc: glibc
#include "check.h"
#include <sys/mman.h>
#include <sys/uio.h>
int main(void) {
    int p[2];
    char b[4];
    struct iovec v = {b, 4};
    NEED(pipe(p));
    SHOW(read(p[1], b, 1)), SHOW(write(p[0], b, 1)), SHOW(lseek(p[0], 0, SEEK_CUR)), SHOW(pread(p[0], b, 1, 0)), SHOW(pwrite(p[1], b, 1, 0)), SHOW(preadv(p[0], &v, 1, 0)), SHOW(ftruncate(p[1], 0)), SHOW(fsync(p[1])), SHOW(fchmod(p[0], 0600)), SHOW(fchdir(p[0])), SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, p[0], 0) == MAP_FAILED ? -1 : 0), SHOW(pipe2(p, 1)), SHOW(pipe2(p, O_CLOEXEC | O_NONBLOCK | O_DIRECT)), SHOW(fcntl(p[0], F_GETFD)), SHOW(fcntl(p[0], F_GETFL) & O_ACCMODE), SHOW(fcntl(p[1], F_GETFL) & O_ACCMODE);
    return 0;
}
