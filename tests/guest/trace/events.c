// Events of processes and threads, and tracees that come with them.
// args: parent
// libc: glibc
#include "trace.h"
#include <pthread.h>
static void *thread(void *argument) { return argument; }
static void body(void) {
    pid_t child = fork();
    if (child == 0) _exit(3);
    waitpid(child, NULL, 0);
    child = vfork();
    if (child == 0) _exit(4);
    waitpid(child, NULL, 0);
    pthread_t made;
    pthread_create(&made, NULL, thread, NULL);
    pthread_join(made, NULL);
    execl("/proc/self/exe", "events", "child", NULL);
    _exit(98);
}
int main(int count, char **args) {
    if (count > 1 && !strcmp(args[1], "child")) return 5;
    pid_t pid = TRACEE(body());
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT;
    SHOW(ptrace(PTRACE_SETOPTIONS, pid, 0, options));
    int status, signal = 0;
    for (;;) {
        NEED(ptrace(PTRACE_CONT, pid, 0, signal));
        status = next_stop("tracee", pid);
        if (!WIFSTOPPED(status)) return 0;
        signal = status >> 16 ? 0 : WSTOPSIG(status);
        unsigned long message = 0;
        SHOW(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
        int event = status >> 16;
        if (event == PTRACE_EVENT_EXIT) printf("ends with %#lx\n", message);
        if (event == PTRACE_EVENT_EXEC) printf("was %d\n", message == (unsigned long)pid);
        if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
            pid_t made = message;
            next_stop("made", made);
            to_its_end(made);
        }
    }
}
