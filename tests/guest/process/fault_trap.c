// A breakpoint without a handler ends the process by SIGTRAP.
#include "check.h"
int main(void) {
    puts("before");
    __asm__ volatile("int3");
    return 0;
}
