// A process in an endless loop does not keep others from their turn.
#include "children.h"
int main(void) {
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        if ((pids[i] = NEED(fork())) == 0)
            for (volatile long n = 0;; n++) {}
    for (int i = 0; i < 10; i++) sleep_ms(5);
    puts("had ten turns");
    for (int i = 0; i < 3; i++) {
        int status;
        kill(pids[i], SIGKILL), waitpid(pids[i], &status, 0), show_end("loop", status);
    }
    return 0;
}
