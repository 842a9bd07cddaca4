// Stops for signals: what they show, and what becomes of a signal that a tracer keeps, passes on or exchanges.
#include "trace.h"
static void handler(int signal, siginfo_t *info, void *context) {
    dprintf(1, "handler %d code %d value %d\n", signal, info->si_code, signal == SIGUSR2 ? info->si_value.sival_int : 0);
}
static void show_info(pid_t pid) {
    siginfo_t info = {0};
    if (ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == -1) printf("no info: %s\n", error_name(errno));
    else printf("info %d code %d from itself %d value %d\n", info.si_signo, info.si_code, info.si_pid == pid, info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
}
static void body(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL), sigaction(SIGUSR2, &action, NULL), sigaction(SIGHUP, &action, NULL);
    signal(SIGTERM, SIG_IGN);
    raise(SIGUSR1);
    sigqueue(getpid(), SIGUSR2, (union sigval){42});
    raise(SIGTERM);
    raise(SIGWINCH);
    kill(getpid(), SIGUSR1);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    dprintf(1, "blocked\n");
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), SIGABRT);
    dprintf(1, "alive\n");
    *(volatile int *)8 = 1;
}
int main(void) {
    pid_t pid = TRACEE(body());
    show_info(pid);
    static const int passed_on[] = {0, SIGUSR1, SIGUSR2, SIGTERM, SIGWINCH, SIGHUP, SIGUSR1, 0, SIGSEGV};
    for (unsigned i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        NEED(ptrace(PTRACE_CONT, pid, 0, passed_on[i]));
        int status = next_stop("signal", pid);
        if (!WIFSTOPPED(status)) return 0;
        show_info(pid);
        if (WSTOPSIG(status) == SIGUSR2) {
            siginfo_t info;
            NEED(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
            info.si_value.sival_int = 43;
            NEED(ptrace(PTRACE_SETSIGINFO, pid, 0, &info));
        }
    }
    return 1;
}
