// Executing a data page ends the process by SIGSEGV.
#include "check.h"
#include <sys/mman.h>
int main(void) {
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 0xc3;
    puts("before");
    ((void (*)(void))page)();
    puts("after");
    return 0;
}
