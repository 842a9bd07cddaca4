// A chain of forty generations, each waiting for the next.
// libc: glibc
#include "children.h"
int main(void) {
    int depth = 0;
    while (depth < 40) {
        pid_t pid = NEED(fork());
        if (pid) {
            int status;
            if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) _exit(200);
            if (depth == 0) printf("sum %d\n", WEXITSTATUS(status));
            _exit(depth == 0 ? 0 : WEXITSTATUS(status) + 1);
        }
        depth++;
    }
    _exit(1);
}
