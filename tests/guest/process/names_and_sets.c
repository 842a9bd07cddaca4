// prctl: names of threads, timer slack, capabilities' bounds, secure bits, and what is refused.
// libc: glibc
#include "check.h"
#include <sys/prctl.h>
int main(void) {
    char name[17] = {0};
    SHOW(prctl(PR_SET_NAME, "a name that is much too long")), SHOW(prctl(PR_GET_NAME, name)), printf("%s\n", name), SHOW(prctl(PR_SET_NAME, 8)), SHOW(prctl(PR_GET_NAME, 8)), SHOW(prctl(PR_SET_NAME, "")), prctl(PR_GET_NAME, name), printf("[%s]\n", name);
    SHOW(prctl(PR_SET_TIMERSLACK, 1234)), SHOW(prctl(PR_GET_TIMERSLACK)), SHOW(prctl(PR_SET_TIMERSLACK, 0)), SHOW(prctl(PR_GET_TIMERSLACK)), SHOW(prctl(PR_GET_SECUREBITS)), SHOW(prctl(PR_GET_SECCOMP)), SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)), SHOW(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)), SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)), SHOW(prctl(PR_GET_TSC, name)), SHOW(prctl(PR_SET_PDEATHSIG, 65)), SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1)), SHOW(prctl(-1)), SHOW(prctl(1000000));
    return 0;
}
