// An orphan gets another parent; a subreaper collects it.
// libc: glibc
#include "children.h"
#include <sys/prctl.h>
int main(void) {
    int report[2], go[2], status;
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
    int is = 0;
    SHOW(prctl(PR_GET_CHILD_SUBREAPER, &is)), SHOW(is);
    NEED(pipe(report)), NEED(pipe(go));
    pid_t top = getpid();
    IN_CHILD("middle", pid_t before = getpid(); if (fork() == 0) { close(go[1]); await_byte(go[0]); char changed = getppid() != before;
             char reaper = getppid() == top; write(report[1], &changed, 1); write(report[1], &reaper, 1); _exit(9); });
    close(go[1]);
    char changed, reaper;
    SHOW(read(report[0], &changed, 1)), SHOW(read(report[0], &reaper, 1));
    SHOW(changed), SHOW(reaper);
    SHOW(wait(&status) > 0);
    show_end("orphan", status);
    SHOW(wait(NULL));
    return 0;
}
