// Sixty children live at the same time and each ends with a code of its own.
// libc: musl
#include "children.h"
int main(void) {
    int gate[2];
    NEED(pipe(gate));
    pid_t pids[60];
    for (int i = 0; i < 60; i++) {
        pids[i] = NEED(fork());
        if (pids[i] == 0) {
            close(gate[1]);
            await_byte(gate[0]);
            _exit(i);
        }
    }
    close(gate[1]);
    int wrong = 0, seen = 0;
    for (int i = 59; i >= 0; i--) {
        int status;
        seen += waitpid(pids[i], &status, 0) == pids[i];
        wrong += !WIFEXITED(status) || WEXITSTATUS(status) != i;
    }
    SHOW(seen), SHOW(wrong);
    SHOW(waitpid(-1, NULL, 0));
    return 0;
}
