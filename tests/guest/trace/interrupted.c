// Calls that wait when a signal comes, with a handler and without; what a tracer sees of their end.
#include "trace.h"
static void handler(int signal) {}
static void body(void) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, failing = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL), sigaction(SIGUSR2, &failing, NULL);
    int ends[2];
    char byte;
    NEED(pipe(ends));
    pid_t parent = getpid();
    if (fork() == 0) {
        for (int i = 0; i < 3; i++) {
            static const int sent[] = {SIGUSR1, SIGWINCH, SIGUSR2};
            sleep_ms(60);
            kill(parent, sent[i]);
        }
        sleep_ms(60);
        write(ends[1], "x", 1);
        _exit(0);
    }
    long first = syscall(SYS_read, ends[0], &byte, 1);
    int error = errno;
    long second = syscall(SYS_read, ends[0], &byte, 1);
    dprintf(1, "%ld %s %ld %c\n", first, error_name(error), second, byte);
}
int main(void) {
    pid_t pid = TRACEE(body());
    NEED(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
    int status, signal = 0, entered = 0;
    for (;;) {
        NEED(ptrace(PTRACE_SYSCALL, pid, 0, signal));
        NEED(waitpid(pid, &status, __WALL));
        if (!WIFSTOPPED(status)) break;
        signal = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct user_regs_struct r = registers_of(pid);
            entered = !entered;
            if (r.orig_rax == SYS_read) printf("%s: %lld\n", entered ? "read" : "read ends", (long long)r.rax);
        } else {
            signal = WSTOPSIG(status);
            if (signal != SIGCHLD) printf("signal %d\n", signal);
        }
    }
    show_end("tracee", status);
    return 0;
}
