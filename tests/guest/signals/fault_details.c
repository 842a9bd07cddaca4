// si_code and si_addr of faults: unmapped, protected, past a file's end, divide, bad opcode, int3.
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
static sigjmp_buf back;
static void *address;
static void handler(int number, siginfo_t *info, void *unused) {
    (void)unused;
    printf("signal %d code %d address %s\n", number, info->si_code, info->si_addr == address ? "right" : info->si_addr ? "other" : "null");
    siglongjmp(back, 1);
}
#define FAULT(at, ...)                          \
    do {                                        \
        address = (void *)(at);                 \
        printf("%s: ", #__VA_ARGS__);           \
        if (sigsetjmp(back, 1) == 0) {          \
            __VA_ARGS__;                        \
            printf("no fault\n");               \
        }                                       \
    } while (0)
int main(void) {
    enter_scratch();
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    for (int number = 1; number < 32; number++) if (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP) sigaction(number, &action, NULL);
    volatile char *map = mmap(NULL, 16384, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    put_file("f", "x");
    volatile char *file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, open("f", O_RDWR), 0);
    FAULT(map + 5, map[5] = 1);
    munmap((void *)(map + 4096), 4096);
    FAULT(map + 4097, map[4097]++);
    mprotect((void *)map, 4096, PROT_NONE);
    FAULT(map + 9, (void)map[9]);
    FAULT(8, *(volatile int *)8);
    FAULT(file + 4096, (void)file[4096]);
    FAULT(file + 5000, file[5000] = 1);
    FAULT(0, *(volatile int *)0x8000000000000000);
    FAULT(map + 8192, ((void (*)(void))(map + 8192))());
    volatile int zero = 0;
    FAULT(0, zero = 1 / zero);
    FAULT(0, asm volatile("int3"));
    FAULT(0, asm volatile("hlt"));
    FAULT(0, asm volatile("mov %%cr0, %%rax" ::: "rax"));
    unlink("f");
    return 0;
}
