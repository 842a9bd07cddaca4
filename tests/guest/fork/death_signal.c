// PR_SET_PDEATHSIG: a child hears of its parent's end; fork clears it.
// libc: musl
#include "children.h"
#include <sys/prctl.h>
int main(void) {
    int tell[2], ready[2], number = -1;
    NEED(pipe(tell)), NEED(pipe(ready));
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
    SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    SHOW(prctl(PR_GET_PDEATHSIG, &number)), SHOW(number);
    SHOW(prctl(PR_SET_PDEATHSIG, 1000));
    IN_CHILD("middle", prctl(PR_GET_PDEATHSIG, &number); SHOW(number); if (fork() == 0) {
        sigset_t set; sigemptyset(&set), sigaddset(&set, SIGUSR2), sigprocmask(SIG_BLOCK, &set, NULL); prctl(PR_SET_PDEATHSIG, SIGUSR2);
        write(ready[1], "r", 1); int got; sigwait(&set, &got); char c = got; write(tell[1], &c, 1); _exit(0); } await_byte(ready[0]));
    char got;
    SHOW(read(tell[0], &got, 1)), SHOW(got);
    SHOW(wait(NULL) > 0);
    return 0;
}
