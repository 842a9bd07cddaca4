// Vector registers and the x87 and SSE control words go along with fork and not with execve.
// libc: musl
#include "children.h"
#include <fenv.h>
#include <xmmintrin.h>
static unsigned short control(void) {
    unsigned short w;
    asm volatile("fnstcw %0" : "=m"(w));
    return w;
}
int main(int argc, char **argv) {
    if (argc > 1) {
        printf("%x %x\n", _mm_getcsr() & 0xffc0, control());
        return 0;
    }
    unsigned short w = 0x27f;
    _mm_setcsr(_mm_getcsr() | 0x8040);
    asm volatile("fldcw %0" ::"m"(w));
    double x = 3.25;
    IN_CHILD("child", printf("%x %x %g\n", _mm_getcsr() & 0xffc0, control(), x));
    IN_CHILD("exec", char *a[] = {"x", "inner", NULL}; execv("/proc/self/exe", a));
    printf("%x %x\n", _mm_getcsr() & 0xffc0, control());
    return 0;
}
