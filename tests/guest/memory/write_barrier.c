// A collector's write barrier: pages are protected, the handler notes the first write to each and lets it through.
#include "check.h"
#include <sys/mman.h>
static char *heap;
static volatile int noted[64], faults, wrong;
static void note(int number, siginfo_t *info, void *unused) {
    long page = ((char *)info->si_addr - heap) / 4096;
    if (page < 0 || page >= 64 || info->si_code != SEGV_ACCERR) wrong++, _exit(9);
    noted[page]++, faults++, mprotect(heap + page * 4096, 4096, PROT_READ | PROT_WRITE);
}
int main(void) {
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &a, NULL), heap = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int cycle = 0; cycle < 20; cycle++) {
        mprotect(heap, 64 * 4096, PROT_READ);
        for (int i = 0; i < 200; i++) heap[(i * 7 % 40) * 4096 + i] = cycle;
    }
    int most = 0, pages = 0;
    for (int i = 0; i < 64; i++) pages += noted[i] > 0, most = noted[i] > most ? noted[i] : most;
    printf("%d faults on %d pages, at most %d on one, %d wrong\n", faults, pages, most, wrong), printf("%d\n", heap[39 * 4096 + 177]);
    return 0;
}
