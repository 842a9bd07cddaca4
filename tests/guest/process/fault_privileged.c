// A privileged instruction ends the process by SIGSEGV.
#include "check.h"
int main(void) {
    puts("before");
    __asm__ volatile("hlt");
    return 0;
}
