// In an orphaned group the stops of a terminal do nothing by default, since nobody could undo them; SIGSTOP still stops.
#include "children.h"
int main(void) {
    int status;
    IN_CHILD("alone in its session", setsid(); raise(SIGTSTP), raise(SIGTTIN), raise(SIGTTOU); puts("goes on"));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        setsid();
        pid_t inner = fork();
        if (inner == 0) {
            setpgid(0, 0), raise(SIGTSTP);
            puts("continued"), _exit(3);
        }
        int end;
        waitpid(inner, &end, WUNTRACED), show_end("in a group that is looked after", end);
        kill(inner, SIGCONT), waitpid(inner, &end, 0), show_end("in a group that is looked after", end);
        raise(SIGSTOP), _exit(4);
    }
    NEED(waitpid(pid, &status, WUNTRACED)), show_end("by SIGSTOP", status);
    kill(pid, SIGCONT), waitpid(pid, &status, 0), show_end("by SIGSTOP", status);
    return 0;
}
