// An undefined instruction ends the process by SIGILL.
#include "check.h"
int main(void) {
    puts("before");
    __asm__ volatile("ud2");
    return 0;
}
