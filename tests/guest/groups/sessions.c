// setsid, setpgid and getsid: who may, and what they answer.
// libc: glibc
#include "children.h"
int main(void) {
    IN_CHILD("child", SHOW(setsid() == getpid()); SHOW(setsid()); CHECK(getpgrp() == getpid()); CHECK(getsid(0) == getpid());
             SHOW(setpgid(0, 0)); SHOW(setpgid(0, getpid())));
    SHOW(setpgid(0, -1));
    SHOW(setpgid(-1, 0));
    SHOW(setpgid(4999999, 0));
    SHOW(getpgid(4999999)), SHOW(getsid(4999999));
    SHOW(getpgid(-1)), SHOW(getsid(-3));
    int gate[2], up[2];
    NEED(pipe(gate)), NEED(pipe(up));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        setsid(), write(up[1], "s", 1), await_byte(gate[0]);
        _exit(0);
    }
    await_byte(up[0]);
    SHOW(setpgid(pid, 0));
    SHOW(setpgid(0, pid));
    CHECK(getsid(pid) == pid);
    CHECK(getpgid(pid) == pid);
    write(gate[1], "x", 1), wait(NULL);
    pid = NEED(fork());
    if (pid == 0) {
        write(up[1], "s", 1), await_byte(gate[0]);
        _exit(0);
    }
    await_byte(up[0]);
    SHOW(setpgid(pid, 99998));
    SHOW(setpgid(pid, pid));
    SHOW(getpgid(pid) == pid);
    SHOW(setpgid(pid, getpgrp()));
    write(gate[1], "x", 1), wait(NULL);
    return 0;
}
