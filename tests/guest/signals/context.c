// A handler sees the registers of what it interrupted, and what it changes there takes effect.
#include "check.h"
#include <ucontext.h>
static void skip(int number, siginfo_t *info, void *context) {
    (void)info;
    ucontext_t *it = context;
    printf("signal %d rbx %llx\n", number, (unsigned long long)it->uc_mcontext.gregs[REG_RBX]);
    it->uc_mcontext.gregs[REG_RIP] += 2;
    it->uc_mcontext.gregs[REG_RBX] = 0x5678;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    unsigned long rbx = 0x1234;
    double vector = 2.5;
    __asm__ volatile("movsd %1, %%xmm7\n ud2\n movsd %%xmm7, %1" : "+b"(rbx), "+m"(vector) : : "xmm7");
    printf("%lx %.3f\n", rbx, vector);
    return 0;
}
