// Every way of ending and the status that a parent sees.
// libc: glibc
#include "children.h"
int main(void) {
    int codes[] = {0, 1, 127, 128, 255, 256, 257, -1, 1000};
    for (int i = 0; i < 9; i++) IN_CHILD("_exit", _exit(codes[i]));
    IN_CHILD("exit_group", syscall(SYS_exit_group, 300)), IN_CHILD("exit", syscall(SYS_exit, 44)), IN_CHILD("abort", abort()), IN_CHILD("kill", kill(getpid(), SIGKILL)), IN_CHILD("trap", __builtin_trap()), IN_CHILD("segv", *(volatile int *)8 = 0), IN_CHILD("raise", raise(SIGUSR2)), IN_CHILD("alarm", alarm(1); pause());
    return 0;
}
