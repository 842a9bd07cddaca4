// Writing to a pipe that nobody reads: EPIPE, and SIGPIPE unless ignored.
#include "check.h"
static volatile sig_atomic_t caught;
static void note(int number) { caught = number; }
int main(void) {
    int p[2];
    NEED(pipe(p));
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(p[1], "x", 1));
    signal(SIGPIPE, note);
    SHOW(write(p[1], "x", 1));
    CHECK(caught == SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    puts("now the default");
    write(p[1], "x", 1);
    puts("not reached");
    return 0;
}
