// SIGCHLD for each change of a child, with and without SA_NOCLDSTOP, and SA_NOCLDWAIT.
#include "asleep.h"
#include "children.h"
static volatile int codes[8], count;
static void note(int number, siginfo_t *info, void *unused) { if (count < 8) codes[count++] = info->si_code; }
static void await(int wanted) {
    AWAIT(count >= wanted);
}
static void show(const char *what) {
    printf("%s:", what);
    for (int i = 0; i < count; i++) printf(" %s", codes[i] == CLD_EXITED ? "exited" : codes[i] == CLD_KILLED ? "killed" : codes[i] == CLD_STOPPED ? "stopped" : codes[i] == CLD_CONTINUED ? "continued" : "other");
    printf("\n"), count = 0;
}
int main(void) {
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGCHLD, &a, NULL);
    pid_t pid = NEED(fork());
    if (pid == 0) for (;;) pause();
    kill(pid, SIGSTOP), await(1), kill(pid, SIGCONT), await(2), kill(pid, SIGKILL), await(3), show("all"), waitpid(pid, NULL, 0);
    a.sa_flags |= SA_NOCLDSTOP, sigaction(SIGCHLD, &a, NULL), pid = NEED(fork());
    if (pid == 0) for (;;) pause();
    kill(pid, SIGSTOP), waitpid(pid, NULL, WUNTRACED), kill(pid, SIGCONT), waitpid(pid, NULL, WCONTINUED), kill(pid, SIGTERM), await(1), show("ends only"), waitpid(pid, NULL, 0);
    a.sa_flags |= SA_NOCLDWAIT, sigaction(SIGCHLD, &a, NULL), pid = NEED(fork());
    if (pid == 0) _exit(0);
    await(1), SHOW(waitpid(pid, NULL, 0)), show("no zombies"), signal(SIGCHLD, SIG_IGN), pid = NEED(fork());
    if (pid == 0) _exit(0);
    SHOW(wait(NULL)), SHOW(kill(pid, 0));
    return 0;
}
