// Real-time signals queue with their values, lowest first; standard ones do not.
#include "check.h"
static int seen[64], values[64], count;
static void handler(int number, siginfo_t *info, void *unused) {
    (void)unused;
    seen[count] = number, values[count++] = info->si_value.sival_int;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigset_t all;
    sigfillset(&all);
    for (int number = SIGRTMIN; number < SIGRTMIN + 4; number++) sigaction(number, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 4; i++) {
        sigqueue(getpid(), SIGRTMIN + 3 - i, (union sigval){.sival_int = i});
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 100 + i});
        sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 200 + i});
    }
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    // Handlers nest: the last delivered frame runs first; sorted by number here, order within a number kept.
    for (int number = 1; number < 64; number++)
        for (int i = 0; i < count; i++)
            if (seen[i] == number) printf("%s+%d: %d\n", number >= SIGRTMIN ? "RT" : "", number >= SIGRTMIN ? number - SIGRTMIN : number, values[i]);
    SHOW(count);
    SHOW(sigqueue(getpid(), 65, (union sigval){0})), SHOW(sigqueue(4999999, SIGUSR1, (union sigval){0})), SHOW(sigqueue(getpid(), 0, (union sigval){0}));
    siginfo_t info = {.si_code = 0};
    SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info));
    info.si_code = SI_TKILL;
    SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), 4999999, SIGUSR1, &info));
    return 0;
}
