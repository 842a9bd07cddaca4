// A master that starts its workers again when they die, and stops them all at the end.
#include "children.h"
static volatile sig_atomic_t ends;
static void note(int number) { ends++; }
static pid_t start(int number) {
    pid_t pid = NEED(fork());
    if (pid) return pid;
    signal(SIGTERM, SIG_DFL);
    if (number % 2 == 0) _exit(number);
    raise(SIGKILL);
    _exit(99);
}
int main(void) {
    struct sigaction a = {.sa_handler = note};
    sigaction(SIGCHLD, &a, NULL);
    pid_t workers[4];
    int started = 0, exited = 0, killed = 0, unknown = 0, status;
    for (int i = 0; i < 4; i++) workers[i] = start(started++);
    while (started < 40) {
        pid_t pid = waitpid(-1, &status, 0);
        if (pid == -1 && errno == EINTR) continue;
        WIFEXITED(status) ? exited++ : killed++;
        int known = 0;
        for (int i = 0; i < 4; i++) if (workers[i] == pid) workers[i] = start(started++), known = 1;
        unknown += !known;
    }
    for (pid_t pid; (pid = wait(&status)) > 0 || errno == EINTR;) if (pid > 0) WIFEXITED(status) ? exited++ : killed++;
    printf("%d started, %d exited, %d killed, %d unknown\n", started, exited, killed, unknown), CHECK(ends > 0), SHOW(wait(NULL));
    return 0;
}
