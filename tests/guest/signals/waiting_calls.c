// sigwait, sigwaitinfo and sigtimedwait: which of several, time-outs, errors, and other signals meanwhile.
#include "asleep.h"
#include <pthread.h>
static pthread_t main_thread;
static void note(int number) { (void)number; }
static void other(void) { pthread_kill(main_thread, SIGUSR2); }
static void awaited(void) { kill(getpid(), SIGRTMIN + 2); }
int main(void) {
    main_thread = pthread_self();
    sigset_t set;
    siginfo_t info;
    struct timespec ms10 = {0, 10000000}, bad = {0, -1}, zero = {0};
    signal(SIGUSR2, note);
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMIN + 2), sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    SHOW(sigtimedwait(&set, &info, &zero)), SHOW(sigtimedwait(&set, &info, &ms10)), SHOW(sigtimedwait(&set, &info, &bad));
    kill(getpid(), SIGUSR1), kill(getpid(), SIGHUP), sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 9});
    SHOW(sigwaitinfo(&set, &info)), SHOW(info.si_code), SHOW(sigwaitinfo(&set, NULL)), SHOW(sigwaitinfo(&set, &info) == SIGRTMIN + 2);
    SHOW(info.si_value.sival_int), SHOW(info.si_code);
    pthread_t t = once_asleep(other);
    SHOW(syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8));
    pthread_join(t, NULL);
    int number;
    t = once_asleep(awaited);
    SHOW(sigwait(&set, &number)), CHECK(number == SIGRTMIN + 2);
    pthread_join(t, NULL);
    SHOW(syscall(SYS_rt_sigtimedwait, &set, &info, &zero, 4)), SHOW(syscall(SYS_rt_sigtimedwait, (void *)8, &info, &zero, 8));
    return 0;
}
