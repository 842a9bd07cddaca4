// A fault whose signal is blocked or ignored kills all the same.
#include "children.h"
int main(void) {
    IN_CHILD("ignored", signal(SIGSEGV, SIG_IGN); *(volatile int *)8 = 1);
    IN_CHILD("blocked", sigset_t set; sigemptyset(&set); sigaddset(&set, SIGSEGV); sigprocmask(SIG_BLOCK, &set, NULL); *(volatile int *)8 = 1);
    IN_CHILD("sent and ignored", signal(SIGSEGV, SIG_IGN); raise(SIGSEGV));
    IN_CHILD("divide, blocked", sigset_t set; sigfillset(&set); sigprocmask(SIG_BLOCK, &set, NULL); volatile int z = 0; z = 1 / z);
    IN_CHILD("no room for the frame", stack_t s = {0}; signal(SIGSEGV, SIG_DFL); signal(SIGUSR1, _exit);
             asm volatile("mov $16, %%rsp; mov %0, %%edi; mov $10, %%esi; mov $62, %%eax; syscall" ::"r"(getpid()) : "rax", "rdi", "rsi"));
    return 0;
}
