// A stack overflow is caught on the alternate stack, again and again.
#include "check.h"
#include <setjmp.h>
static sigjmp_buf back;
static volatile char *low;
static void handler(int number, siginfo_t *info, void *unused) {
    (void)unused;
    stack_t now;
    sigaltstack(NULL, &now);
    printf("signal %d code %d on stack %d\n", number, info->si_code, now.ss_flags & SS_ONSTACK);
    SHOW(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
    siglongjmp(back, 1);
}
static int deeper(int n) {
    volatile char room[4096];
    room[0] = n;
    return deeper(n + 1) + room[0];
}
int main(void) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    SHOW(sigaltstack(&stack, NULL));
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0) deeper(0);
    stack.ss_size = 100, SHOW(sigaltstack(&stack, NULL));
    stack.ss_size = 65536, stack.ss_flags = 77, SHOW(sigaltstack(&stack, NULL));
    SHOW(syscall(SYS_sigaltstack, 8, 0)), SHOW(syscall(SYS_sigaltstack, 0, 8));
    stack.ss_flags = SS_ONSTACK, SHOW(sigaltstack(&stack, NULL));
    return 0;
}
