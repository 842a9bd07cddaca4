// clone3 writes the child's number where it is told, clears it at the child's end, and can drop handlers.
// libc: glibc
#include "children.h"
static void handler(int number) { (void)number; }
int main(void) {
    signal(SIGUSR1, handler), signal(SIGUSR2, SIG_IGN);
    int parent = 0, child = 0, status;
    struct clone3_args args = {.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD,
                              .parent_tid = (uint64_t)&parent, .child_tid = (uint64_t)&child};
    long pid = NEED(syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) {
        struct sigaction now;
        CHECK(child == syscall(SYS_getpid));
        sigaction(SIGUSR1, NULL, &now);
        CHECK(now.sa_handler == SIG_DFL);
        sigaction(SIGUSR2, NULL, &now);
        CHECK(now.sa_handler == SIG_IGN);
        syscall(SYS_exit_group, 4);
    }
    SHOW(waitpid(pid, &status, 0) == pid);
    CHECK(parent == pid);
    SHOW(child);
    show_end("child", status);
    return 0;
}
