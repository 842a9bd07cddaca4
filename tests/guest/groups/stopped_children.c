// A stopped child that is killed, or whose sibling ends, makes no group orphaned: nobody is hung up.
#include "children.h"
#include <sys/prctl.h>
static pid_t stopped(int own_group) {
    pid_t pid = NEED(fork());
    if (pid == 0) {
        if (own_group) setpgid(0, 0);
        raise(SIGSTOP);
        for (;;) pause();
    }
    int status;
    NEED(waitpid(pid, &status, WUNTRACED));
    show_end("child", status);
    return pid;
}
static void end(pid_t pid) {
    int status;
    kill(pid, SIGKILL);
    NEED(waitpid(pid, &status, 0));
    show_end("child", status);
}
static void all(const char *where, int own_group) {
    int status;
    printf("%s\n", where);
    end(stopped(own_group));
    pid_t pid = stopped(own_group);
    IN_CHILD("sibling", ;);
    IN_CHILD("sibling with a child of its own", if (fork() == 0) _exit(0));
    pid_t other = stopped(own_group);
    end(other), end(pid);
    // A grandchild that is handed over while it is stopped, in a group that stays tied to ours.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int report[2];
    NEED(pipe(report));
    IN_CHILD("parent of a stopped one", pid = stopped(own_group); write(report[1], &pid, sizeof pid));
    NEED(read(report[0], &pid, sizeof pid)), close(report[0]), close(report[1]);
    SHOW(waitpid(pid, &status, WNOHANG)), end(pid);
}
int main(void) {
    all("in the group of the parent", 0);
    IN_CHILD("leader of a session", setsid(); all("in a session of its own", 0); all("with groups of their own", 1));
    return 7;
}
