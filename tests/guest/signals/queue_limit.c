// RLIMIT_SIGPENDING bounds what is queued: EAGAIN, and kill of a standard signal still works.
#include "check.h"
#include <sys/resource.h>
int main(void) {
    struct rlimit limit = {10, 10};
    setresuid(54321, 54321, 54321);
    SHOW(setrlimit(RLIMIT_SIGPENDING, &limit));
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN), sigaddset(&set, SIGUSR1), sigprocmask(SIG_BLOCK, &set, NULL);
    int queued = 0;
    while (queued < 100 && sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = queued}) == 0) queued++;
    printf("%d queued, %s\n", queued, error_name(errno));
    SHOW(kill(getpid(), SIGUSR1));
    siginfo_t info;
    SHOW(sigwaitinfo(&set, &info) == SIGUSR1);
    for (int i = 0; i < queued; i++) sigwaitinfo(&set, &info);
    SHOW(info.si_value.sival_int);
    struct timespec now = {0, 0};
    SHOW(sigtimedwait(&set, &info, &now));
    SHOW(sigqueue(getpid(), SIGRTMIN, (union sigval){0}));
    return 0;
}
