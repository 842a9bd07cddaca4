// Stops and continuations: WUNTRACED, WCONTINUED, SIGKILL of a stopped process.
// libc: musl
#include "children.h"
static pid_t start(void) {
    pid_t pid = NEED(fork());
    if (pid == 0)
        for (;;) pause();
    setpgid(pid, pid);
    return pid;
}
int main(void) {
    int status;
    // In a group of its own: SIGTSTP does nothing in one that nobody looks after, and this one may be such.
    pid_t pid = start();
    kill(pid, SIGSTOP);
    SHOW(waitpid(pid, &status, WUNTRACED) == pid), show_end("child", status);
    SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGTERM);
    SHOW(waitpid(pid, &status, WNOHANG));
    kill(pid, SIGCONT);
    SHOW(waitpid(pid, &status, 0) == pid), show_end("child", status);
    pid = start();
    kill(pid, SIGTSTP);
    siginfo_t info;
    SHOW(waitid(P_PID, pid, &info, WSTOPPED)), SHOW(info.si_code), SHOW(info.si_status);
    kill(pid, SIGCONT);
    SHOW(waitpid(pid, &status, WCONTINUED) == pid), show_end("child", status);
    SHOW(waitpid(pid, &status, WCONTINUED | WNOHANG));
    kill(pid, SIGSTOP), kill(pid, SIGKILL);
    SHOW(waitpid(pid, &status, 0) == pid), show_end("child", status);
    return 0;
}
