// Pointers into nothing answer EFAULT wherever a call follows them.
#include "check.h"
#include <sys/mman.h>
#include <sys/uio.h>
#define BAD ((void *)16)
int main(void) {
    char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(edge + 4096, 4096);
    int p[2];
    NEED(pipe(p));
    NEED(write(p[1], "0123456789", 10));
    SHOW(syscall(SYS_read, p[0], BAD, 4));
    SHOW(syscall(SYS_write, p[1], BAD, 4));
    SHOW(syscall(SYS_write, p[1], -4096L, 4));
    SHOW(syscall(SYS_clock_gettime, 1, BAD));
    SHOW(syscall(SYS_nanosleep, BAD, NULL));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR1, BAD, NULL, 8));
    SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, BAD, NULL, 8));
    SHOW(syscall(SYS_getcwd, BAD, 100));
    SHOW(syscall(SYS_uname, BAD));
    SHOW(syscall(SYS_poll, BAD, 1, 0));
    SHOW(syscall(SYS_fstat, p[0], BAD));
    SHOW(syscall(SYS_openat, AT_FDCWD, edge + 4095, O_RDONLY) == -1);
    memset(edge, 'x', 4096);
    SHOW(syscall(SYS_openat, AT_FDCWD, edge + 4090, O_RDONLY));
    SHOW(syscall(SYS_pipe, edge + 4092));
    SHOW(syscall(SYS_futex, BAD, 0, 0, NULL));
    SHOW(syscall(SYS_sched_getaffinity, 0, 128, BAD));
    return 0;
}
