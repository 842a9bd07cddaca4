// A zombie still has its number, its group, and takes signals without effect, until it is waited for.
// libc: musl
#include "children.h"
int main(void) {
    pid_t pid = NEED(fork());
    if (pid == 0) {
        setpgid(0, 0);
        _exit(4);
    }
    siginfo_t info;
    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
    SHOW(kill(pid, 0)), SHOW(kill(pid, SIGKILL));
    CHECK(getpgid(pid) == pid);
    char path[64], text[4096] = {0};
    snprintf(path, 64, "/proc/%d/stat", pid);
    int fd = NEED(open(path, O_RDONLY));
    SHOW(read(fd, text, sizeof text) > 0);
    char *end = strrchr(text, ')');
    printf("state %c\n", end[2]);
    close(fd);
    snprintf(path, 64, "/proc/%d/cmdline", pid);
    fd = NEED(open(path, O_RDONLY)), SHOW(read(fd, text, 10)), close(fd);
    snprintf(path, 64, "/proc/%d/exe", pid);
    SHOW(readlink(path, text, 64));
    int status;
    SHOW(waitpid(pid, &status, 0) == pid), show_end("child", status);
    SHOW(kill(pid, 0));
    snprintf(path, 64, "/proc/%d", pid);
    SHOW(access(path, F_OK));
    return 0;
}
