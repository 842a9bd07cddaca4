// A handler on the alternate stack survives the overflow of the ordinary one.
#include "check.h"
#include <setjmp.h>
static sigjmp_buf back;
static char *stack;
static size_t size = 65536;
static int inside;
static void fault(int number) {
    char here;
    inside = &here > stack && &here < stack + size;
    siglongjmp(back, number);
}
static volatile int depth;
static int dive(int level) {
    volatile char frame[4096];
    frame[0] = (char)level;
    depth = level;
    return dive(level + 1) + frame[0];
}
int main(void) {
    stack = malloc(size);
    stack_t alternate = {.ss_sp = stack, .ss_size = size}, old;
    SHOW(sigaltstack(NULL, &old));
    CHECK(old.ss_flags == SS_DISABLE);
    SHOW(sigaltstack(&alternate, NULL));
    struct sigaction action = {.sa_handler = fault, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    if (!sigsetjmp(back, 1)) dive(0);
    CHECK(inside);
    CHECK(depth > 500);
    stack_t small = {.ss_sp = stack, .ss_size = 100};
    SHOW(sigaltstack(&small, NULL));
    SHOW(sigaltstack(NULL, &old));
    CHECK(old.ss_sp == stack && old.ss_size == size && old.ss_flags == 0);
    return 0;
}
