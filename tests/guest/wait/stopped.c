// Stops and continuations: WUNTRACED, WCONTINUED, SIGKILL of a stopped process.
// libc: musl
#include "children.h"
int main(void) {
    int status;
    pid_t pid = NEED(fork());
    if (pid == 0)
        for (;;) pause();
    kill(pid, SIGSTOP);
    SHOW(waitpid(pid, &status, WUNTRACED) == pid), show_end("child", status);
    SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGTERM);
    SHOW(waitpid(pid, &status, WNOHANG));
    kill(pid, SIGCONT);
    SHOW(waitpid(pid, &status, 0) == pid), show_end("child", status);
    pid = NEED(fork());
    if (pid == 0)
        for (;;) pause();
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
