// personality, arch_prctl, getcpu, uname: queries and refusals.
// libc: glibc
#include "check.h"
#include <sys/personality.h>
#include <sys/utsname.h>
int main(void) {
    unsigned long base = 0;
    struct utsname u;
    SHOW(personality(0xffffffff)), SHOW(personality(0)), SHOW(syscall(SYS_arch_prctl, 0x1003, &base)), CHECK(base != 0), SHOW(syscall(SYS_arch_prctl, 0x1002, 1UL << 63)), SHOW(syscall(SYS_arch_prctl, 0x1003, 8)), SHOW(syscall(SYS_arch_prctl, 0x9999, 0)), SHOW(syscall(SYS_arch_prctl, 0x1004, &base)), SHOW(base), SHOW(uname(&u)), printf("%s %s\n", u.sysname, u.machine), SHOW(syscall(SYS_getcpu, 0, 0, 0)), SHOW(syscall(SYS_getcpu, 8, 0, 0));
    return 0;
}
