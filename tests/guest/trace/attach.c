// Attaching to what runs or waits, and letting it go; tracers that end.
#include "trace.h"
static void finish(pid_t pid) {
    kill(pid, SIGKILL);
    next_stop("finished", pid);
}
static void state_of(pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "State:", 6)) printf("%s", line);
        if (!strncmp(line, "TracerPid:", 10)) printf("traced by this one: %d\n", atoi(line + 10) == getpid());
    }
    if (file) fclose(file);
}
int main(void) {
    // One that waits.
    int ends[2];
    NEED(pipe(ends));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        char byte = '-';
        long got = read(ends[0], &byte, 1);
        dprintf(1, "read %ld %c\n", got, byte);
        _exit(7);
    }
    sleep_ms(30);
    SHOW(ptrace(PTRACE_CONT, pid, 0, 0)), SHOW(ptrace(PTRACE_ATTACH, pid, 0, 0));
    next_stop("attached", pid);
    state_of(pid);
    SHOW(ptrace(PTRACE_ATTACH, pid, 0, 0)), SHOW(ptrace(PTRACE_INTERRUPT, pid, 0, 0)), SHOW(ptrace(PTRACE_LISTEN, pid, 0, 0));
    SHOW(ptrace(PTRACE_DETACH, pid, 0, 0)), SHOW(ptrace(PTRACE_DETACH, pid, 0, 0));
    NEED(write(ends[1], "y", 1));
    next_stop("let go", pid);

    // One that runs, seized, interrupted, stopped by a signal and let go on.
    pid = NEED(fork());
    if (pid == 0) for (;;) sched_yield();
    SHOW(ptrace(PTRACE_SEIZE, pid, 4, 0)), SHOW(ptrace(PTRACE_SEIZE, pid, 0, 1L << 30)), SHOW(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
    SHOW(waitpid(pid, NULL, WNOHANG | __WALL)), SHOW(ptrace(PTRACE_GETEVENTMSG, pid, 0, &(long){0}));
    SHOW(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    next_stop("interrupted", pid);
    SHOW(ptrace(PTRACE_LISTEN, pid, 0, 0)), SHOW(ptrace(PTRACE_CONT, pid, 0, 0)), SHOW(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    next_stop("interrupted again", pid);
    SHOW(ptrace(PTRACE_CONT, pid, 0, 0));
    kill(pid, SIGSTOP);
    next_stop("stopped", pid);
    SHOW(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    next_stop("its process is stopped", pid);
    siginfo_t info = {0};
    SHOW(ptrace(PTRACE_GETSIGINFO, pid, 0, &info)), printf("%d %#x\n", info.si_signo, info.si_code);
    SHOW(ptrace(PTRACE_LISTEN, pid, 0, 0));
    kill(pid, SIGCONT);
    next_stop("told to go on", pid);
    SHOW(ptrace(PTRACE_CONT, pid, 0, 0));
    next_stop("the signal for that", pid);
    SHOW(ptrace(PTRACE_CONT, pid, 0, SIGCONT));
    finish(pid);

    // Stopped by a signal while a tracer of the old kind is there.
    pid = NEED(fork());
    if (pid == 0) for (;;) sched_yield();
    NEED(ptrace(PTRACE_ATTACH, pid, 0, 0));
    next_stop("attached", pid);
    SHOW(ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
    next_stop("its process is stopped", pid);
    SHOW(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
    SHOW(ptrace(PTRACE_CONT, pid, 0, 0));
    kill(pid, SIGTERM);
    next_stop("a signal", pid);
    SHOW(ptrace(PTRACE_KILL, pid, 0, 0));
    next_stop("killed", pid);

    // A tracer that ends lets go of its tracees, or ends them.
    for (int kills = 0; kills < 2; kills++) {
        pid = NEED(fork());
        if (pid == 0) {
            sleep_ms(200);
            _exit(8);
        }
        IN_CHILD("tracer", {
            NEED(ptrace(PTRACE_SEIZE, pid, 0, kills ? PTRACE_O_EXITKILL : 0));
            NEED(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
            next_stop("foreign", pid);
        });
        next_stop("left", pid);
    }
    return 0;
}
