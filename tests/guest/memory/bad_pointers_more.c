// EFAULT from every side: half-mapped buffers, read-only targets, unmapped vectors, partial transfers.
// libc: musl
#include "check.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *edge = p + 4096;
    munmap(edge, 4096);
    int fd = NEED(open("f", O_RDWR)), pair[2], socks[2];
    NEED(pipe(pair)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
    SHOW(read(fd, edge, 4)), SHOW(pread(fd, edge - 4, 8, 0)), SHOW(lseek(fd, 0, SEEK_CUR)), SHOW(write(fd, edge, 4)), SHOW(pwrite(fd, edge - 2, 8, 20));
    SHOW(write(pair[1], edge - 2, 8)), SHOW(write(socks[0], edge - 2, 8)), SHOW(write(pair[1], edge, 0)), SHOW(read(fd, edge, 0));
    struct iovec v[2] = {{edge - 3, 3}, {edge, 5}};
    SHOW(writev(fd, v, 2)), SHOW(writev(fd, (void *)edge, 2)), SHOW(writev(fd, v, -1)), SHOW(writev(fd, v, 1025)), v[0].iov_len = -1, SHOW(writev(fd, v, 1));
    SHOW(open(edge, O_RDONLY)), strcpy(edge - 2, "f"), SHOW(open(edge - 2, O_RDONLY) > 0), memset(edge - 4, 'a', 4), SHOW(open(edge - 4, O_RDONLY));
    SHOW(syscall(SYS_stat, "f", edge)), SHOW(syscall(SYS_stat, "f", edge - 8)), SHOW(syscall(SYS_pipe, edge)), SHOW(uname((void *)edge)), SHOW(poll((void *)edge, 1, 0)), SHOW(syscall(SYS_getcwd, edge, 100));
    mprotect(p, 4096, PROT_READ), SHOW(read(fd, p, 1)), SHOW(syscall(SYS_fstat, fd, p)), SHOW(pread(fd, p, 4, 0)), mprotect(p, 4096, PROT_NONE), SHOW(write(fd, p, 1));
    SHOW(read(fd, (void *)-1L, 1)), SHOW(read(fd, (void *)0xffff800000000000, 1)), SHOW(write(fd, (void *)0x7fffffffffff, 2)), SHOW(read(fd, p, -1L));
    unlink("f");
    return 0;
}
