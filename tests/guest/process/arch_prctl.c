// The FS and GS bases can be read and set, and TLS survives.
#include "check.h"
#define SET_GS 0x1001
#define SET_FS 0x1002
#define GET_FS 0x1003
#define GET_GS 0x1004
static __thread int local = 42;
int main(void) {
    uint64_t base = 0, words[2] = {0x1122334455667788, 7}, value = 0;
    SHOW(syscall(SYS_arch_prctl, GET_FS, &base));
    CHECK(base != 0);
    SHOW(syscall(SYS_arch_prctl, SET_GS, words));
    __asm__ volatile("mov %%gs:0, %0" : "=r"(value));
    printf("%lx\n", (unsigned long)value);
    SHOW(syscall(SYS_arch_prctl, GET_GS, &base));
    CHECK(base == (uint64_t)words);
    SHOW(syscall(SYS_arch_prctl, SET_GS, -1L));
    SHOW(syscall(SYS_arch_prctl, 0x7777, 0));
    printf("%d\n", local);
    return 0;
}
