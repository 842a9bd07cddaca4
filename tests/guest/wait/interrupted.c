// wait is interrupted by a handler without SA_RESTART and goes on with it; an ignored signal changes nothing.
// libc: glibc
#include "asleep.h"
#include "children.h"
static volatile sig_atomic_t got;
static int noted[2];
static void note(int number) { (void)number, got++, write(noted[1], "x", 1); }
static void round(int flags) {
    struct sigaction action = {.sa_handler = note, .sa_flags = flags};
    sigaction(SIGUSR1, &action, NULL);
    pid_t parent = getpid(), pid = NEED(fork());
    if (pid == 0) {
        await_asleep(parent), kill(parent, SIGUSR1), await_byte(noted[0]), await_asleep(parent);
        _exit(2);
    }
    SHOW(waitpid(pid, NULL, 0) == pid);
    if (!(flags & SA_RESTART)) SHOW(waitpid(pid, NULL, 0) == pid);
    SHOW(got);
}
int main(void) {
    NEED(pipe(noted));
    round(0);
    round(SA_RESTART);
    signal(SIGUSR1, SIG_IGN);
    pid_t parent = getpid(), pid = NEED(fork());
    if (pid == 0) {
        await_asleep(parent), kill(parent, SIGUSR1), await_asleep(parent);
        _exit(2);
    }
    SHOW(waitpid(pid, NULL, 0) == pid);
    return 0;
}
