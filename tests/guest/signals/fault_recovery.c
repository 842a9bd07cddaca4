// Faults reach handlers with code and address, and handlers can repair what faulted or leave by siglongjmp.
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
static sigjmp_buf back;
static char *page;
static int repairs;
static void fault(int number, siginfo_t *info, void *context) {
    (void)context;
    if (number == SIGSEGV && (char *)info->si_addr == page + 12) {
        repairs++;
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
        return;
    }
    printf("signal %d code %d\n", number, info->si_code);
    siglongjmp(back, number);
}
int main(int argc, char **argv) {
    (void)argv;
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[12] = 'r';
    printf("%d %c\n", repairs, page[12]);
    if (!sigsetjmp(back, 1)) *(volatile int *)0 = 1;
    volatile int zero = argc - 1;
    if (!sigsetjmp(back, 1)) printf("%d\n", 7 / zero);
    if (!sigsetjmp(back, 1)) __asm__ volatile("ud2");
    if (!sigsetjmp(back, 1)) __asm__ volatile("int3");
    if (!sigsetjmp(back, 1)) *(volatile char *)0x8000000000000000 = 1;
    for (int i = 0; i < 1000; i++)
        if (!sigsetjmp(back, 0) && i % 250 == 0) {
            sigset_t none;
            sigemptyset(&none);
            sigprocmask(SIG_SETMASK, &none, NULL);
            *(volatile int *)8 = 1;
        }
    return 0;
}
