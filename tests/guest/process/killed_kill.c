// SIGKILL cannot be blocked: 128 + 9.
#include "check.h"
int main(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    puts("before");
    raise(SIGKILL);
    puts("after");
    return 0;
}
