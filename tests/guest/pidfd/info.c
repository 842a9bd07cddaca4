// /proc/self/fdinfo of a pidfd names its process, and -1 once that is gone.
// libc: musl
#include "children.h"
int main(void) {
    int gate[2];
    NEED(pipe(gate));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        await_byte(gate[0]);
        _exit(0);
    }
    int fd = NEED(syscall(SYS_pidfd_open, pid, 0));
    char path[64], text[1024];
    snprintf(path, 64, "/proc/self/fdinfo/%d", fd);
    for (int round = 0; round < 2; round++) {
        memset(text, 0, sizeof text);
        int info = NEED(open(path, O_RDONLY));
        read(info, text, sizeof text - 1), close(info);
        char *line = strstr(text, "\nPid:");
        int number = line ? atoi(line + 5) : -99;
        printf("%s\n", number == pid ? "the child" : number == -1 ? "gone" : "WRONG");
        write(gate[1], "x", 1);
        if (round == 0) waitpid(pid, NULL, 0);
    }
    return 0;
}
