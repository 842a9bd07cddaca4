// A job of several processes in one group is stopped, continued and killed as one.
#include "children.h"
int main(void) {
    pid_t job[4], group = 0;
    int status;
    // A group whose members' parent is in it as well could not be stopped by a terminal's signals.
    for (int i = 0; i < 4; i++) {
        job[i] = NEED(fork());
        if (job[i] == 0) {
            for (;;) pause();
        }
        // By the parent alone: a member that is late with this would come back after it has left.
        setpgid(job[i], group);
        if (!group) group = job[0];
    }
    for (int i = 0; i < 4; i++) SHOW(getpgid(job[i]) == group);
    SHOW(killpg(group, SIGSTOP));
    for (int i = 0; i < 4; i++) waitpid(job[i], &status, WUNTRACED), show_end("member", status);
    SHOW(killpg(group, SIGCONT));
    for (int i = 0; i < 4; i++) waitpid(-group, &status, WCONTINUED), show_end("member", status);
    SHOW(setpgid(job[3], getpgrp())), SHOW(killpg(group, SIGTERM));
    for (int i = 0; i < 3; i++) SHOW(waitpid(-group, &status, 0) > 0), show_end("member", status);
    SHOW(waitpid(-group, &status, WNOHANG)), SHOW(waitpid(job[3], &status, WNOHANG)), kill(job[3], SIGKILL), waitpid(job[3], &status, 0), show_end("the one that left", status), SHOW(killpg(group, 0));
    return 0;
}
