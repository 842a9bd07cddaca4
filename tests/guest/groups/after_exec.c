// A child that has run another program can no longer be moved by its parent: EACCES.
// libc: musl
#include "children.h"
int main(int argc, char **argv) {
    if (argc > 1) {
        write(20, "r", 1), await_byte(21);
        return 0;
    }
    int up[2], down[2];
    NEED(pipe(up)), NEED(pipe(down));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        dup2(up[1], 20), dup2(down[0], 21);
        char *args[] = {"x", "inner", NULL};
        execv("/proc/self/exe", args);
    }
    await_byte(up[0]);
    SHOW(setpgid(pid, pid));
    SHOW(setpgid(pid, 0));
    NEED(write(down[1], "x", 1));
    int status;
    wait(&status), show_end("child", status);
    return 0;
}
