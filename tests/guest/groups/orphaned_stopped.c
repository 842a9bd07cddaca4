// A group that becomes orphaned with a stopped member gets SIGHUP and SIGCONT.
// libc: glibc
#include "children.h"
#include <sys/prctl.h>
int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int status;
    IN_CHILD("middle", setsid(); pid_t pid = fork(); if (pid == 0) { setpgid(0, 0); raise(SIGSTOP); for (;;) pause(); }
             int s; waitpid(pid, &s, WUNTRACED); show_end("inner", s));
    SHOW(wait(&status) > 0), show_end("orphan", status);
    return 0;
}
