// mprotect takes and gives rights; the fault says what and where.
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
static sigjmp_buf back;
static char *page;
static void fault(int number, siginfo_t *info, void *context) {
    (void)context;
    printf("signal %d code %d offset %ld\n", number, info->si_code, (long)((char *)info->si_addr - page));
    siglongjmp(back, 1);
}
int main(void) {
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(page + 4096, "text");
    SHOW(mprotect(page + 4096, 4096, PROT_READ));
    puts(page + 4096);
    if (!sigsetjmp(back, 1)) page[4100] = 'x';
    page[0] = page[8192] = 1;
    SHOW(mprotect(page, 3 * 4096, PROT_NONE));
    if (!sigsetjmp(back, 1)) printf("%d\n", page[8193]);
    SHOW(mprotect(page, 3 * 4096, PROT_READ | PROT_WRITE));
    puts(page + 4096);
    page[4096] = 'T';
    puts(page + 4096);
    SHOW(mprotect(page + 1, 4096, PROT_READ));
    munmap(page + 4096, 4096);
    SHOW(mprotect(page, 3 * 4096, PROT_READ));
    if (!sigsetjmp(back, 1)) page[4096] = 1;
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    char *run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(run, code, sizeof code);
    SHOW(mprotect(run, 4096, PROT_READ | PROT_EXEC));
    printf("%d\n", ((int (*)(void))run)());
    return 0;
}
