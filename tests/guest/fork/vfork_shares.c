// A child of vfork borrows its parent's memory, and the parent stands still until it is gone.
// libc: glibc
#include "children.h"
static volatile int seen;
int main(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        seen = 42;
        usleep(20000);
        seen++;
        _exit(3);
    }
    printf("seen %d\n", seen);
    int status;
    SHOW(waitpid(pid, &status, 0) == pid);
    show_end("child", status);
    seen = 0;
    pid = vfork();
    if (pid == 0) {
        seen = 1;
        char *args[] = {"nothing", NULL};
        execv("/nowhere/nothing", args);
        seen = errno == ENOENT ? 2 : 3;
        _exit(seen);
    }
    printf("seen %d\n", seen);
    SHOW(waitpid(pid, &status, 0) == pid);
    show_end("child", status);
    return 0;
}
