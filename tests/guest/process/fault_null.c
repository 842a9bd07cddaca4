// A null store without a handler ends the process by SIGSEGV.
#include "check.h"
int main(void) {
    puts("before");
    *(volatile int *)8 = 1;
    puts("after");
    return 0;
}
