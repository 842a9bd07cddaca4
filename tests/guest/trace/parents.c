// A tracer that is not the parent learns first; then the parent does.
#include "trace.h"
int main(void) {
    int go[2], told[2];
    NEED(pipe(go)), NEED(pipe(told));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        await_byte(go[0]);
        _exit(9);
    }
    pid_t tracer = NEED(fork());
    if (tracer == 0) {
        NEED(ptrace(PTRACE_ATTACH, pid, 0, 0));
        next_stop("tracer: attached", pid);
        NEED(ptrace(PTRACE_CONT, pid, 0, 0));
        write(go[1], "x", 1);
        siginfo_t info = {0};
        SHOW(waitid(P_PID, pid, &info, WEXITED | WNOWAIT)), printf("%d %d\n", info.si_code, info.si_status);
        write(told[1], "x", 1);
        sleep_ms(50);
        next_stop("tracer: ended", pid);
        SHOW(waitpid(pid, NULL, 0));
        _exit(0);
    }
    await_byte(told[0]);
    // It has ended, but its tracer has not waited.
    SHOW(waitpid(pid, NULL, WNOHANG));
    next_stop("parent: tracer", tracer);
    next_stop("parent: ended", pid);
    SHOW(waitpid(-1, NULL, 0));
    return 0;
}
