// The default action of every signal, seen from the parent.
#include "children.h"
int main(void) {
    // Stop signals do nothing in a process group that nobody looks after, and this one may be such.
    pid_t leader = NEED(fork());
    if (leader > 0) {
        int status;
        waitpid(leader, &status, 0);
        return WEXITSTATUS(status);
    }
    setsid();
    for (int number = 1; number <= 64; number++) {
        if (number >= 32 && number <= 34) continue;
        int status;
        pid_t pid = NEED(fork());
        if (pid == 0) {
            setpgid(0, 0);
            syscall(SYS_tgkill, getpid(), getpid(), number);
            _exit(99);
        }
        if (waitpid(pid, &status, WUNTRACED) != pid) return 1;
        printf("%d: ", number);
        show_end("child", status);
        if (WIFSTOPPED(status)) kill(pid, SIGKILL), waitpid(pid, &status, 0);
    }
    return 0;
}
