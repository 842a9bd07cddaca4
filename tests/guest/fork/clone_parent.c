// CLONE_PARENT makes a sibling: the grandparent waits for it.
// libc: glibc
#include "children.h"
#include <sched.h>
int main(void) {
    int out[2], status;
    NEED(pipe(out));
    IN_CHILD("middle", pid_t pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
             if (pid == 0) { _exit(6); } SHOW(waitpid(pid, &status, 0)); NEED(write(out[1], &pid, sizeof pid)));
    pid_t pid;
    SHOW(read(out[0], &pid, sizeof pid));
    SHOW(waitpid(pid, &status, 0) == pid);
    show_end("sibling", status);
    return 0;
}
