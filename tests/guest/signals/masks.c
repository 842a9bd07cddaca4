// Blocked signals wait; standard ones once, real-time ones queue in order of number and arrival.
#include "check.h"
static void note(int number, siginfo_t *info, void *context) {
    (void)context;
    int which = number >= SIGRTMIN ? number - SIGRTMIN : -number;
    printf("  %d value %d\n", which, info->si_code == SI_QUEUE ? info->si_value.sival_int : -1);
}
static void send(int number, int value) { sigqueue(getpid(), number, (union sigval){.sival_int = value}); }
int main(void) {
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    sigaction(SIGRTMIN + 1, &action, NULL);
    sigset_t all, old, waiting;
    sigfillset(&all);
    SHOW(sigprocmask(SIG_SETMASK, &all, &old));
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    send(SIGRTMIN + 1, 1);
    send(SIGRTMIN, 2);
    send(SIGRTMIN, 3);
    send(SIGRTMIN + 1, 4);
    SHOW(sigpending(&waiting));
    printf("%d %d %d\n", sigismember(&waiting, SIGUSR1), sigismember(&waiting, SIGRTMIN), sigismember(&waiting, SIGUSR2));
    puts("open");
    SHOW(sigprocmask(SIG_SETMASK, &old, NULL));
    SHOW(sigpending(&waiting));
    printf("%d\n", sigismember(&waiting, SIGUSR1));
    SHOW(sigprocmask(77, &all, NULL));
    SHOW(sigprocmask(77, NULL, &old));
    SHOW(sigprocmask(SIG_SETMASK, &all, NULL));
    SHOW(sigprocmask(SIG_BLOCK, NULL, &old));
    CHECK(!sigismember(&old, SIGKILL) && !sigismember(&old, SIGSTOP) && sigismember(&old, SIGTERM));
    return 0;
}
