// waitid: kinds of ids, WNOWAIT, WEXITED missing, what siginfo says.
// libc: glibc
#include "children.h"
static void tell(siginfo_t *info, pid_t pid) {
    printf("signal %d code %d status %d pid %s uid %d\n", info->si_signo, info->si_code, info->si_status,
           info->si_pid == pid ? "right" : info->si_pid ? "WRONG" : "0", info->si_uid);
}
int main(void) {
    siginfo_t info = {0};
    SHOW(waitid(P_ALL, 0, &info, WEXITED));
    pid_t pid = NEED(fork());
    if (pid == 0) _exit(7);
    SHOW(waitid(P_PID, pid, &info, 0));
    SHOW(waitid(P_PID, pid, &info, WNOHANG));
    SHOW(waitid(9, pid, &info, WEXITED));
    SHOW(waitid(P_PID, 0, &info, WEXITED));
    SHOW(waitid(P_PID, -5, &info, WEXITED));
    SHOW(waitid(P_PID, pid, &info, WEXITED | WNOWAIT)), tell(&info, pid);
    SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT)), tell(&info, pid);
    SHOW(waitid(P_PGID, getpgrp(), &info, WEXITED)), tell(&info, pid);
    SHOW(waitid(P_PID, pid, &info, WEXITED));
    pid = NEED(fork());
    if (pid == 0) pause();
    memset(&info, 0xff, sizeof info);
    SHOW(waitid(P_PID, pid, &info, WEXITED | WNOHANG)), SHOW(info.si_pid), SHOW(info.si_signo);
    kill(pid, SIGTERM);
    SHOW(waitid(P_PGID, 0, &info, WEXITED)), tell(&info, pid);
    pid = NEED(fork());
    if (pid == 0) abort();
    SHOW(waitid(P_PID, pid, NULL, WEXITED | WNOWAIT));
    waitid(P_PID, pid, &info, WEXITED), info.si_code = info.si_code == CLD_DUMPED ? CLD_KILLED : info.si_code, tell(&info, pid);
    return 0;
}
