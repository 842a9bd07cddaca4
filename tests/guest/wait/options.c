// waitpid: WNOHANG, by group, errors, and the order in which children end.
// libc: musl
#include "children.h"
int main(void) {
    int status = 123, gate[2];
    SHOW(waitpid(-1, &status, 0));
    SHOW(waitpid(-1, &status, WNOHANG));
    SHOW(waitpid(getpid(), &status, 0));
    SHOW(waitpid(4999999, &status, 0));
    SHOW(waitpid(-1, &status, 0x12345000));
    SHOW(waitpid(-2147483647 - 1, &status, 0));
    NEED(pipe(gate));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        await_byte(gate[0]);
        _exit(300);
    }
    SHOW(waitpid(pid, &status, WNOHANG));
    SHOW(status);
    SHOW(waitpid(-pid, &status, WNOHANG));
    SHOW(waitpid(0, &status, WNOHANG));
    NEED(write(gate[1], "x", 1));
    SHOW(waitpid(0, &status, 0) == pid);
    show_end("child", status);
    pid = NEED(fork());
    if (pid == 0) {
        setpgid(0, 0);
        _exit(1);
    }
    setpgid(pid, pid);
    SHOW(waitpid(0, &status, WNOHANG));
    SHOW(waitpid(-pid, &status, 0) == pid);
    SHOW(waitpid(pid, (int *)8, WNOHANG));
    return 0;
}
