// A handler runs before raise returns; the old disposition can be asked for and put back.
#include "check.h"
static volatile sig_atomic_t count, last;
static void note(int number) { count++, last = number; }
int main(void) {
    CHECK(signal(SIGUSR1, note) == SIG_DFL);
    SHOW(raise(SIGUSR1));
    printf("%d %d\n", count, last == SIGUSR1);
    CHECK(signal(SIGUSR1, SIG_IGN) == note);
    SHOW(raise(SIGUSR1));
    printf("%d\n", count);
    CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
    SHOW(raise(SIGCHLD));
    SHOW(raise(SIGURG));
    SHOW(raise(SIGWINCH));
    SHOW(raise(0));
    CHECK(signal(SIGKILL, note) == SIG_ERR && errno == EINVAL);
    CHECK(signal(SIGSTOP, SIG_IGN) == SIG_ERR && errno == EINVAL);
    CHECK(signal(99, note) == SIG_ERR && errno == EINVAL);
    SHOW(raise(SIGUSR1));
    puts("not reached");
    return 0;
}
