// A thousand processes that sleep again and again at once: each ends, once, and is waited for.
// libc: musl
#include "check.h"
#include <sys/wait.h>
enum { PROCESSES = 1000, SLEEPS = 20 };
int main(void) {
    static char seen[PROCESSES];
    static pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = NEED(fork());
        if (pids[i] == 0) {
            for (int n = 0; n < SLEEPS; n++) nanosleep(&(struct timespec){0, 5000000}, NULL);
            _exit(i % 251);
        }
    }
    int status, right = 0;
    for (pid_t pid; (pid = wait(&status)) > 0;)
        for (int i = 0; i < PROCESSES; i++)
            if (pids[i] == pid) right += !seen[i] && WIFEXITED(status) && WEXITSTATUS(status) == i % 251, seen[i] = 1;
    printf("%d of %d ended as they should, then %s\n", right, PROCESSES, error_name(errno));
    return 0;
}
