// clone without an exit signal, or with another: who is told, and which waits find the child.
// libc: glibc
#include "children.h"
#include <sched.h>
static volatile sig_atomic_t chld, usr;
static void note(int number) { number == SIGCHLD ? chld++ : usr++; }
static int body(void *unused) { return (void)unused, 5; }
static char stack[65536] __attribute__((aligned(16)));
int main(void) {
    signal(SIGCHLD, note), signal(SIGUSR1, note);
    int status;
    pid_t pid = NEED(clone(body, stack + sizeof stack, SIGUSR1, NULL));
    SHOW(waitpid(pid, &status, 0));
    SHOW(waitpid(pid, &status, __WCLONE) == pid);
    show_end("child", status);
    SHOW(chld), SHOW(usr);
    pid = NEED(clone(body, stack + sizeof stack, 0, NULL));
    SHOW(waitpid(-1, &status, 0));
    SHOW(waitpid(pid, &status, __WALL) == pid);
    SHOW(chld), SHOW(usr);
    pid = NEED(clone(body, stack + sizeof stack, SIGCHLD, NULL));
    SHOW(waitpid(pid, &status, __WCLONE));
    while (waitpid(pid, &status, 0) != pid) {}
    SHOW(chld), SHOW(usr);
    return 0;
}
