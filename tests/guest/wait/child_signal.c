// SIGCHLD: what siginfo says, SA_NOCLDSTOP, SA_NOCLDWAIT and SIG_IGN, which leave no zombie.
// libc: musl
#include "asleep.h"
#include "children.h"
static volatile sig_atomic_t codes[16], statuses[16], count;
static void handler(int number, siginfo_t *info, void *unused) {
    (void)number, (void)unused;
    codes[count] = info->si_code, statuses[count++] = info->si_status;
}
static void act(int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | flags};
    sigaction(SIGCHLD, &action, NULL);
    count = 0;
}
static void show(const char *what) {
    printf("%s:", what);
    for (int i = 0; i < count; i++) printf(" %d/%d", codes[i], statuses[i]);
    printf("\n");
}
// Each signal is awaited, or the next one would merge with it.
static void stop_and_go(int signals) {
    int status;
    pid_t pid = NEED(fork());
    if (pid == 0)
        for (;;) pause();
    kill(pid, SIGSTOP), waitpid(pid, &status, WUNTRACED);
    AWAIT(count >= signals);
    kill(pid, SIGCONT), waitpid(pid, &status, WCONTINUED);
    AWAIT(count >= 2 * signals);
    kill(pid, SIGKILL), waitpid(pid, &status, 0);
}
int main(void) {
    act(0), stop_and_go(1), show("all");
    act(SA_NOCLDSTOP), stop_and_go(0), show("no stops");
    act(SA_NOCLDWAIT);
    pid_t pid = NEED(fork());
    if (pid == 0) _exit(3);
    SHOW(waitpid(pid, NULL, 0));
    show("no zombies");
    signal(SIGCHLD, SIG_IGN);
    pid = NEED(fork());
    if (pid == 0) _exit(3);
    SHOW(waitpid(-1, NULL, 0));
    SHOW(kill(pid, 0));
    signal(SIGCHLD, SIG_DFL);
    pid = NEED(fork());
    if (pid == 0) _exit(3);
    SHOW(waitpid(-1, NULL, 0) == pid);
    return 0;
}
