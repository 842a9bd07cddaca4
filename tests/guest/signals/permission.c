// Who may signal whom: other users' processes are EPERM, SIGCONT within a session is not.
#include "children.h"
int main(void) {
    int ready[2];
    NEED(pipe(ready));
    pid_t target = NEED(fork());
    if (target == 0) {
        setresuid(100, 200, 300), write(ready[1], "r", 1);
        for (;;) pause();
    }
    await_byte(ready[0]);
    IN_CHILD("stranger", setresuid(5, 5, 5); SHOW(kill(target, 0)); SHOW(kill(target, SIGTERM)); SHOW(kill(target, SIGCONT)));
    IN_CHILD("effective only", setresuid(5, 200, 5); SHOW(kill(target, 0)));
    IN_CHILD("real", setresuid(100, 5, 5); SHOW(kill(target, 0)));
    IN_CHILD("saved", setresuid(300, 5, 5); SHOW(kill(target, 0)));
    IN_CHILD("other session", setsid(); setresuid(5, 5, 5); SHOW(kill(target, SIGCONT)));
    IN_CHILD("by effective", setresuid(5, 100, 5); SHOW(kill(target, SIGTERM)));
    int status;
    waitpid(target, &status, 0), show_end("target", status);
    return 0;
}
