// Recursion without end meets the guard below the stack: SIGSEGV, not silence.
#include "check.h"
static volatile int depth;
static int dive(int level) {
    volatile char frame[4096];
    frame[0] = (char)level;
    depth = level;
    return dive(level + 1) + frame[0];
}
int main(void) {
    puts("before");
    return dive(0);
}
