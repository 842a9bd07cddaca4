// kill with 0 and negative numbers reaches groups; which errors it has.
// libc: glibc
#include "children.h"
static volatile sig_atomic_t got;
static void note(int number) { (void)number, got++; }
int main(void) {
    signal(SIGUSR1, note);
    IN_CHILD("leader", setpgid(0, 0); int up[2]; pipe(up); pid_t kids[3];
        for (int i = 0; i < 3; i++) { if ((kids[i] = fork()) == 0) { signal(SIGUSR1, SIG_DFL); write(up[1], "r", 1); for (;;) pause(); } }
        for (int i = 0; i < 3; i++) await_byte(up[0]);
        SHOW(kill(0, SIGUSR1)); SHOW(got); int status;
        for (int i = 0; i < 3; i++) { waitpid(kids[i], &status, 0); show_end("kid", status); });
    SHOW(got);
    int up[2];
    pipe(up);
    pid_t pid = NEED(fork());
    if (pid == 0) {
        setpgid(0, 0), write(up[1], "r", 1);
        for (;;) pause();
    }
    await_byte(up[0]);
    SHOW(kill(-pid, 0)), SHOW(kill(-pid, SIGTERM));
    int status;
    waitpid(pid, &status, 0), show_end("child", status);
    SHOW(kill(-pid, SIGTERM));
    SHOW(kill(-4999999, SIGTERM)), SHOW(kill(4999999, 0)), SHOW(kill(getpid(), 65)), SHOW(kill(getpid(), -1));
    SHOW(kill(-2147483647 - 1, 0));
    return 0;
}
