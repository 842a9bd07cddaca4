// A program that replaces itself two hundred times keeps its number and its descriptor.
// libc: musl
#include "check.h"
int main(int argc, char **argv) {
    int left = argc > 1 ? atoi(argv[1]) : 200;
    static int pid;
    if (argc == 1) {
        int pair[2];
        NEED(pipe(pair));
        dup2(pair[1], 20), dup2(pair[0], 21);
    }
    pid = argc > 2 ? atoi(argv[2]) : getpid();
    if (left == 0) {
        CHECK(pid == getpid());
        close(20);
        char bytes[256];
        SHOW(read(21, bytes, sizeof bytes));
        return 0;
    }
    NEED(write(20, "x", 1));
    char number[16], self[16];
    snprintf(number, 16, "%d", left - 1), snprintf(self, 16, "%d", pid);
    char *args[] = {argv[0], number, self, NULL}, *env[] = {NULL};
    NEED(execve("/proc/self/exe", args, env));
    return 1;
}
