// A handler changes the interrupted context: registers, the place to go on, the mask.
#include "check.h"
#include <ucontext.h>
static volatile int skipped;
static void handler(int number, siginfo_t *info, void *context) {
    (void)info;
    ucontext_t *u = context;
    if (number == SIGILL) u->uc_mcontext.gregs[REG_RIP] += 2, u->uc_mcontext.gregs[REG_RAX] = 4711;
    sigaddset(&u->uc_sigmask, SIGHUP);
}
int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL), sigaction(SIGUSR1, &action, NULL);
    long value = 1;
    asm volatile("ud2" : "+a"(value));
    SHOW(value);
    sigset_t now;
    sigprocmask(0, NULL, &now), SHOW(sigismember(&now, SIGHUP));
    double x = 1.5;
    unsigned long flags;
    asm volatile("stc; movq %1, %%xmm7; mov $39, %%eax; syscall; pushf; pop %0; movq %%xmm7, %1" : "=r"(flags), "+r"(x)::"rax", "rcx", "r11", "xmm7");
    SHOW(flags & 1), SHOW(x == 1.5);
    return 0;
}
