// SA_NODEFER, SA_RESETHAND, SA_ONSTACK's absence, unknown flags, and what sigaction reads back.
#include "check.h"
static volatile int depth, deepest, runs;
static void nested(int number) {
    runs++;
    if (++depth > deepest) deepest = depth;
    if (runs < 3) raise(number);
    depth--;
}
static void act(int flags) {
    struct sigaction action = {.sa_handler = nested, .sa_flags = flags};
    SHOW(sigaction(SIGUSR1, &action, NULL));
    depth = deepest = runs = 0;
}
int main(void) {
    act(0), raise(SIGUSR1), printf("%d runs, %d deep\n", runs, deepest);
    act(SA_NODEFER), raise(SIGUSR1), printf("%d runs, %d deep\n", runs, deepest);
    act(SA_RESETHAND), runs = 5, raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
    struct sigaction set = {.sa_handler = nested, .sa_flags = SA_NODEFER | SA_RESTART | SA_NOCLDSTOP};
    sigaddset(&set.sa_mask, SIGKILL), sigaddset(&set.sa_mask, SIGSTOP), sigaddset(&set.sa_mask, SIGHUP);
    sigaction(SIGUSR2, &set, NULL), sigaction(SIGUSR2, NULL, &now);
    CHECK((now.sa_flags & set.sa_flags) == set.sa_flags && !(now.sa_flags & SA_RESETHAND));
    SHOW(sigismember(&now.sa_mask, SIGHUP)), SHOW(sigismember(&now.sa_mask, SIGKILL)), SHOW(sigismember(&now.sa_mask, SIGSTOP));
    SHOW(sigaction(SIGKILL, &set, NULL)), SHOW(sigaction(SIGSTOP, &set, NULL)), SHOW(sigaction(65, &set, NULL)), SHOW(sigaction(0, &set, NULL));
    SHOW(sigaction(SIGKILL, NULL, &now));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8)), SHOW(syscall(SYS_rt_sigprocmask, 9, NULL, NULL, 8));
    SHOW(syscall(SYS_rt_sigprocmask, 9, &now.sa_mask, NULL, 8)), SHOW(syscall(SYS_rt_sigprocmask, 0, (void *)8, NULL, 8));
    return 0;
}
