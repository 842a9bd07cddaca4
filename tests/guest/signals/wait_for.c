// sigsuspend, sigwait, sigwaitinfo and sigtimedwait take signals at the right moment.
#include "check.h"
static volatile sig_atomic_t caught;
static void note(int number) { caught = number; }
int main(void) {
    sigset_t set, none;
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    signal(SIGUSR1, note);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    CHECK(caught == 0);
    SHOW(sigsuspend(&none));
    CHECK(caught == SIGUSR1);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1));
    raise(SIGUSR2);
    int number = 0;
    SHOW(sigwait(&set, &number));
    CHECK(number == SIGUSR2);
    sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 5});
    siginfo_t info;
    SHOW(sigwaitinfo(&set, &info) == SIGUSR2);
    printf("%d\n", info.si_value.sival_int);
    struct timespec short_ = {0, 10000000};
    int64_t start = now_ms();
    SHOW(sigtimedwait(&set, &info, &short_));
    CHECK(now_ms() - start >= 9);
    struct timespec zero = {0, 0}, bad = {0, -1};
    SHOW(sigtimedwait(&set, NULL, &zero));
    SHOW(sigtimedwait(&set, NULL, &bad));
    return 0;
}
