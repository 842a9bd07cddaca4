// A vfork child that dies of a signal lets its parent go on; signals to the parent wait.
// libc: musl
#include "children.h"
static volatile sig_atomic_t got;
static void note(int number) { (void)number, got++; }
int main(void) {
    signal(SIGUSR1, note);
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        kill(getppid(), SIGUSR1);
        usleep(5000);
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    SHOW(got);
    SHOW(waitpid(pid, &status, 0) == pid);
    show_end("child", status);
    return 0;
}
