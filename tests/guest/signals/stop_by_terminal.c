// SIGTTIN, SIGTTOU and SIGTSTP stop by default and can be handled, and SIGCONT runs its handler after going on.
#include "children.h"
static void note(int number) { printf("handler of %d\n", number); }
int main(void) {
    int numbers[] = {SIGTTIN, SIGTTOU, SIGTSTP}, status;
    for (int i = 0; i < 3; i++) {
        pid_t pid = NEED(fork());
        if (pid == 0) {
            signal(SIGCONT, note);
            setpgid(0, 0);
            raise(numbers[i]);
            _exit(i);
        }
        waitpid(pid, &status, WUNTRACED), show_end("child", status);
        if (WIFSTOPPED(status)) kill(pid, SIGCONT), waitpid(pid, &status, 0), show_end("child", status);
    }
    IN_CHILD("handled", signal(SIGTSTP, note); raise(SIGTSTP));
    IN_CHILD("cleared", signal(SIGCONT, note); sigset_t set; sigfillset(&set); sigprocmask(SIG_BLOCK, &set, NULL); kill(getpid(), SIGTSTP);
             kill(getpid(), SIGCONT); sigpending(&set); SHOW(sigismember(&set, SIGTSTP)); SHOW(sigismember(&set, SIGCONT)));
    return 0;
}
