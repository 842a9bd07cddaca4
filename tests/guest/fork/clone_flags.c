// Combinations of clone's flags that Linux refuses, and namespaces that need privileges.
// Unprivileged: natively root could make namespaces.
// libc: musl
#include "children.h"
static long raw(unsigned long flags) { return syscall(SYS_clone, flags, 0, 0, 0, 0); }
int main(void) {
    SHOW(raw(CLONE_THREAD));
    SHOW(raw(CLONE_THREAD | CLONE_SIGHAND));
    SHOW(raw(CLONE_SIGHAND));
    SHOW(raw(CLONE_NEWNS | CLONE_FS));
    int tid;
    SHOW(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &tid, 0, 0));
    struct clone3_args args = {.exit_signal = SIGCHLD};
    SHOW(syscall(SYS_clone3, &args, 8));
    SHOW(syscall(SYS_clone3, &args, 8192));
    SHOW(syscall(SYS_clone3, NULL, sizeof args));
    args.exit_signal = 300;
    SHOW(syscall(SYS_clone3, &args, sizeof args));
    args = (struct clone3_args){.exit_signal = SIGCHLD, .stack = 4096};
    SHOW(syscall(SYS_clone3, &args, sizeof args));
    args = (struct clone3_args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD};
    SHOW(syscall(SYS_clone3, &args, sizeof args));
    args = (struct clone3_args){.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM};
    SHOW(syscall(SYS_clone3, &args, sizeof args));
    args = (struct clone3_args){.flags = CLONE_DETACHED, .exit_signal = SIGCHLD};
    SHOW(syscall(SYS_clone3, &args, sizeof args));
    return 0;
}
