// SS_AUTODISARM: no alternate stack within its handler, and again one afterwards.
#include "check.h"
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
static void handler(int number) {
    (void)number;
    stack_t now;
    sigaltstack(NULL, &now);
    SHOW(now.ss_flags == SS_DISABLE);
    stack_t other = {.ss_sp = malloc(65536), .ss_size = 65536};
    SHOW(sigaltstack(&other, NULL));
}
int main(void) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536, .ss_flags = SS_AUTODISARM}, now;
    SHOW(sigaltstack(&stack, NULL));
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    sigaltstack(NULL, &now);
    CHECK(now.ss_sp == stack.ss_sp && now.ss_size == 65536);
    CHECK(now.ss_flags == (int)SS_AUTODISARM);
    return 0;
}
