// SA_SIGINFO tells who sent the signal and how; the mask and flags of the action hold.
#include "check.h"
static void show(int number, siginfo_t *info, void *context) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("signal %d code %d value %d from me %d, masks itself %d, other %d, context %d\n", number, info->si_code,
           info->si_code == SI_QUEUE ? info->si_value.sival_int : 0, info->si_pid == getpid(),
           sigismember(&now, number), sigismember(&now, SIGUSR2), context != NULL);
}
int main(void) {
    struct sigaction action = {.sa_sigaction = show, .sa_flags = SA_SIGINFO}, old;
    sigaddset(&action.sa_mask, SIGUSR2);
    SHOW(sigaction(SIGUSR1, &action, NULL));
    SHOW(kill(getpid(), SIGUSR1));
    SHOW(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77}));
    SHOW(sigaction(SIGUSR1, NULL, &old));
    CHECK(old.sa_sigaction == show && (old.sa_flags & SA_SIGINFO));
    CHECK(sigismember(&old.sa_mask, SIGUSR2) && !sigismember(&old.sa_mask, SIGHUP));
    action.sa_flags |= SA_RESETHAND | SA_NODEFER;
    SHOW(sigaction(SIGUSR1, &action, NULL));
    SHOW(raise(SIGUSR1));
    SHOW(sigaction(SIGUSR1, NULL, &old));
    CHECK(old.sa_handler == SIG_DFL);
    SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    return 0;
}
