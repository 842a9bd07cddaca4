// Threads are traced one by one, and each one's end is told.
#include "trace.h"
#include <pthread.h>
static int ends[2];
static void *waits(void *argument) {
    char byte;
    read(ends[0], &byte, 1);
    return argument;
}
static void body(void) {
    NEED(pipe(ends));
    pthread_t made[3];
    for (int i = 0; i < 3; i++) pthread_create(&made[i], NULL, waits, NULL);
    write(ends[1], "xx", 2);
    sleep_ms(20);
    write(ends[1], "x", 1);
    for (int i = 0; i < 3; i++) pthread_join(made[i], NULL);
    raise(SIGUSR1);
    pthread_create(&made[0], NULL, waits, NULL);
    sleep_ms(20);
    _exit(6);
}
int main(void) {
    pid_t pid = TRACEE(body());
    NEED(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE));
    NEED(ptrace(PTRACE_CONT, pid, 0, 0));
    int status, made = 0, started = 0, ended = 0, of_exit = 0;
    pid_t who;
    while ((who = waitpid(-1, &status, __WALL)) > 0) {
        if (who == pid && WIFEXITED(status)) break;
        if (!WIFSTOPPED(status)) {
            ended++;
            if (!WIFEXITED(status)) show_end("thread", status);
            continue;
        }
        int signal = WSTOPSIG(status);
        if (who == pid && status >> 16 == PTRACE_EVENT_CLONE) made++;
        else if (who != pid && signal == SIGSTOP) started++;
        else printf("%s: %#x\n", who == pid ? "first" : "other", signal);
        NEED(ptrace(PTRACE_CONT, who, 0, 0));
    }
    show_end("process", status);
    SHOW(made), SHOW(started), SHOW(ended);
    SHOW(waitpid(-1, &status, __WALL));
    return 0;
}
