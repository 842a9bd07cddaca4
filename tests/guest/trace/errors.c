// Requests that are refused.
#include "trace.h"
int main(void) {
    SHOW(ptrace(PTRACE_ATTACH, getpid(), 0, 0)), SHOW(ptrace(PTRACE_ATTACH, 999999, 0, 0)), SHOW(ptrace(PTRACE_ATTACH, -1, 0, 0));
    SHOW(ptrace(PTRACE_CONT, getpid(), 0, 0)), SHOW(ptrace(PTRACE_PEEKDATA, 1, 0, 0)), SHOW(ptrace(PTRACE_DETACH, 999999, 0, 0));
    IN_CHILD("twice", SHOW(ptrace(PTRACE_TRACEME, 0, 0, 0)), SHOW(ptrace(PTRACE_TRACEME, 0, 0, 0)));
    pid_t pid = TRACEE(raise(SIGUSR1));
    siginfo_t info;
    SHOW(ptrace(PTRACE_CONT, pid, 0, 65)), SHOW(ptrace(PTRACE_CONT, pid, 0, -1)), SHOW(ptrace(PTRACE_SETOPTIONS, pid, 0, 1L << 30));
    SHOW(ptrace(0x4300, pid, 0, 0)), SHOW(ptrace(PTRACE_SETREGS, pid, 0, 8)), SHOW(ptrace(PTRACE_GETREGS, pid, 0, 8));
    SHOW(ptrace(PTRACE_GETSIGINFO, pid, 0, 8)), SHOW(ptrace(PTRACE_SEIZE, pid, 0, 0)), SHOW(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    SHOW(ptrace(PTRACE_GETSIGMASK, pid, 4, &info)), SHOW(ptrace(30, pid, &info, 0x9999));
    struct user_regs_struct r = registers_of(pid);
    r.fs_base = -1;
    SHOW(ptrace(PTRACE_SETREGS, pid, 0, &r));
    // Only the tracer asks, and only of what is stopped.
    IN_CHILD("other", SHOW(ptrace(PTRACE_CONT, pid, 0, 0)), SHOW(ptrace(PTRACE_ATTACH, pid, 0, 0)));
    NEED(ptrace(PTRACE_CONT, pid, 0, 0));
    SHOW(waitid(P_PID, pid, &info, WSTOPPED)), printf("%d %d\n", info.si_code, info.si_status);
    NEED(ptrace(PTRACE_CONT, pid, 0, 0));
    SHOW(waitid(P_PID, pid, &info, WEXITED | WNOWAIT)), printf("%d %d\n", info.si_code, info.si_status);
    SHOW(ptrace(PTRACE_CONT, pid, 0, 0)), SHOW(ptrace(PTRACE_ATTACH, pid, 0, 0));
    CHECK(waitpid(pid, NULL, 0) == pid);
    return 0;
}
