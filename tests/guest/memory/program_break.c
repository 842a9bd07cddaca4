// brk grows by pages of zeros, shrinks, and answers the old end when it cannot.
#include "check.h"
int main(void) {
    puts("the allocator of the C library has its part now");
    char *start = (char *)syscall(SYS_brk, 0);
    CHECK((char *)syscall(SYS_brk, start + 100000) == start + 100000);
    int zero = 1;
    for (int i = 0; i < 100000; i++) zero &= start[i] == 0;
    CHECK(zero);
    memset(start, 9, 100000);
    CHECK((char *)syscall(SYS_brk, start + 10) == start + 10);
    CHECK(start[5] == 9);
    CHECK((char *)syscall(SYS_brk, start + 50000) == start + 50000);
    CHECK(start[30000] == 0);
    CHECK((char *)syscall(SYS_brk, 4096) == start + 50000);
    CHECK((char *)syscall(SYS_brk, -4096L) == start + 50000);
    return 0;
}
