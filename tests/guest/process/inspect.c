// Looking into other processes: process_vm_readv, process_vm_writev, kcmp, pidfd_getfd, process_madvise; and what can be
// read of the clock's discipline and of I/O priorities.
#include "children.h"
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <sys/uio.h>
static int pair[2], back[2];
static char *area;
static void wait_for_parent(void) { char byte; while (read(back[0], &byte, 1) == -1) {} }
static void answer(const char *what, long got) {
    int error = errno;
    if (got == -1) printf("%s: %s\n", what, error_name(error));
    else printf("%s: %s\n", what, got ? "differ" : "same");
}
#define KCMP(a, b, type, i, j) ({ errno = 0; answer(#type " " #i " " #j, syscall(SYS_kcmp, a, b, type, i, j)); })
enum { FILE_, VM, FILES, FS, SIGHAND, IO, SYSVSEM, EPOLL_TFD };
int main(void) {
    NEED(pipe(pair)), NEED(pipe(back));
    area = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(area + 4096, 4096, PROT_READ), munmap(area + 3 * 4096, 4096);
    strcpy(area, "parent's");
    prctl(PR_SET_DUMPABLE, 1), fflush(stdout);
    pid_t child = fork();
    if (!child) {
        strcpy(area, "child's own"), memset(area + 4090, 'c', 6), memset(area + 2 * 4096, 'd', 4096);
        prctl(PR_SET_DUMPABLE, 1), write(pair[1], "r", 1), wait_for_parent(), write(pair[1], area, 16), wait_for_parent(), prctl(PR_SET_DUMPABLE, 0), write(pair[1], "n", 1), wait_for_parent(), _exit(0);
    }
    char byte, text[8192];
    read(pair[0], &byte, 1);
    struct iovec own = {text, 12}, its = {area, 12}, none = {text, 0};
    memset(text, 0, sizeof text);
    SHOW(process_vm_readv(child, &own, 1, &its, 1, 0)), printf("%s, ours %s\n", text, area);
    SHOW(process_vm_readv(child, &own, 1, &its, 1, 1)), SHOW(process_vm_readv(child, &own, 1025, &its, 1, 0)), SHOW(process_vm_readv(child, &own, 1, &its, 1025, 0)), SHOW(process_vm_readv(child, (void *)8, 1, &its, 1, 0)), SHOW(process_vm_readv(child, &own, 1, (void *)8, 1, 0));
    SHOW(process_vm_readv(0x3fffffff, &own, 1, &its, 1, 0)), SHOW(process_vm_readv(0x3fffffff, &none, 1, &its, 1, 0)), SHOW(process_vm_readv(0x3fffffff, &own, 0, &its, 1, 0)), SHOW(process_vm_readv(0x3fffffff, &own, 1, &none, 1, 0)), SHOW(process_vm_readv(-1, &own, 1, &its, 1, 0)), SHOW(process_vm_readv(getpid(), &own, 1, &its, 1, 0)), printf("%s\n", text);
    struct iovec edges[] = {{area + 2 * 4096 + 4000, 96}, {area + 3 * 4096, 8}, {area, 4}}, parts[] = {{text, 50}, {text + 100, 30}, {text + 200, 300}}, beyond = {area + 2 * 4096 + 4000, 200}, bad = {(void *)8, 8}, large = {text, 8192}, long_ = {text, -1};
    SHOW(process_vm_readv(child, parts, 3, edges, 3, 0)), SHOW(process_vm_readv(child, parts, 3, edges, 1, 0)), printf("%c%c%c%c%c\n", text[0], text[49], text[100], text[129], text[215]);
    SHOW(process_vm_readv(child, &large, 1, &beyond, 1, 0)), SHOW(process_vm_readv(child, &own, 1, &bad, 1, 0)), SHOW(process_vm_readv(child, &bad, 1, &its, 1, 0)), SHOW(process_vm_readv(child, &long_, 1, &its, 1, 0)), SHOW(process_vm_readv(child, &own, 1, &long_, 1, 0));
    strcpy(text, "written"), own.iov_len = its.iov_len = 8;
    SHOW(process_vm_writev(child, &own, 1, &its, 1, 0));
    struct iovec guarded = {area + 4090, 12}, locked = {area + 4096, 4}, from = {text, 12};
    SHOW(process_vm_writev(child, &from, 1, &guarded, 1, 0)), SHOW(process_vm_writev(child, &from, 1, &locked, 1, 0)), SHOW(process_vm_writev(child, &from, 1, &bad, 1, 0));
    write(back[1], "g", 1), read(pair[0], text, 16), printf("child has %s, we have %s\n", text, area);
    pid_t self = getpid();
    int twin = dup(pair[0]), other = open("/dev/null", O_RDONLY), poll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN};
    epoll_ctl(poll, EPOLL_CTL_ADD, pair[0], &event);
    KCMP(self, self, FILE_, pair[0], twin), KCMP(self, self, FILE_, pair[0], pair[1]), KCMP(self, child, FILE_, pair[0], pair[0]), KCMP(self, child, FILE_, pair[0], back[0]), KCMP(self, child, FILE_, 99, 0), KCMP(self, child, FILE_, 0, 99), KCMP(self, self, FILE_, other, other);
    KCMP(self, self, VM, 0, 0), KCMP(self, child, VM, 0, 0), KCMP(self, self, FILES, 0, 0), KCMP(self, child, FILES, 0, 0), KCMP(self, self, FS, 0, 0), KCMP(self, child, FS, 0, 0), KCMP(self, child, SIGHAND, 0, 0), KCMP(self, self, SIGHAND, 0, 0), KCMP(self, child, SYSVSEM, 0, 0);
    KCMP(self, self, 8, 0, 0), KCMP(self, self, -1, 0, 0), KCMP(self, 0x3fffffff, VM, 0, 0), KCMP(0x3fffffff, self, 8, 0, 0);
    struct { uint32_t epoll, target, skip; } slot = {poll, pair[0], 0}, second = {poll, pair[0], 1}, wrong = {pair[0], pair[0], 0};
    KCMP(self, self, EPOLL_TFD, pair[0], &slot), KCMP(self, self, EPOLL_TFD, pair[1], &slot), KCMP(self, self, EPOLL_TFD, pair[0], &second), KCMP(self, self, EPOLL_TFD, pair[0], &wrong), KCMP(self, self, EPOLL_TFD, pair[0], 8), KCMP(self, self, EPOLL_TFD, 99, &slot);
    int handle = syscall(SYS_pidfd_open, child, 0), got = syscall(SYS_pidfd_getfd, handle, pair[0], 0);
    CHECK(got >= 0), CHECK(fcntl(got, F_GETFD) == FD_CLOEXEC), KCMP(self, self, FILE_, got, pair[0]);
    SHOW(syscall(SYS_pidfd_getfd, handle, 99, 0)), SHOW(syscall(SYS_pidfd_getfd, handle, pair[0], 1)), SHOW(syscall(SYS_pidfd_getfd, 0, pair[0], 0)), SHOW(syscall(SYS_pidfd_getfd, 99, pair[0], 0));
    struct iovec range = {area, 4096}, hole = {area + 3 * 4096, 4096}, odd = {area + 1, 4096};
    SHOW(syscall(SYS_process_madvise, handle, &range, 1, MADV_COLD, 0)), SHOW(syscall(SYS_process_madvise, handle, &range, 1, MADV_WILLNEED, 0)), SHOW(syscall(SYS_process_madvise, handle, &range, 1, MADV_COLD, 1)), SHOW(syscall(SYS_process_madvise, handle, &range, 1, MADV_DONTNEED, 0)), SHOW(syscall(SYS_process_madvise, 0, &range, 1, MADV_COLD, 0)), SHOW(syscall(SYS_process_madvise, handle, &hole, 1, MADV_COLD, 0)), SHOW(syscall(SYS_process_madvise, handle, &odd, 1, MADV_COLD, 0)), SHOW(syscall(SYS_process_madvise, handle, (void *)8, 1, MADV_COLD, 0));
    write(back[1], "g", 1), read(pair[0], &byte, 1), write(back[1], "g", 1);
    int status;
    siginfo_t ended;
    waitid(P_PID, child, &ended, WEXITED | WNOWAIT), SHOW(process_vm_readv(child, &own, 1, &its, 1, 0)), SHOW(syscall(SYS_pidfd_getfd, handle, pair[0], 0)), waitpid(child, &status, 0), show_end("child", status);
    SHOW(process_vm_readv(child, &own, 1, &its, 1, 0)), SHOW(syscall(SYS_pidfd_getfd, handle, pair[0], 0)), KCMP(self, child, VM, 0, 0);
    struct timex clock = {0};
    CHECK(adjtimex(&clock) >= 0), CHECK(clock.tick == 10000), CHECK(clock.tolerance == 32768000), CHECK(labs(clock.time.tv_sec - time(NULL)) < 2), CHECK(clock_adjtime(CLOCK_REALTIME, &clock) >= 0), SHOW(adjtimex(NULL)), SHOW(clock_adjtime(CLOCK_MONOTONIC, &clock)), SHOW(clock_adjtime(99, &clock));
    return 0;
}
