// Numbers that no kernel has are ENOSYS.
// libc: musl
#include "check.h"
int main(void) {
    SHOW(syscall(1000)), SHOW(syscall(-1)), SHOW(syscall(0x7fffffff)), SHOW(syscall(423)), SHOW(syscall(9999, 1, 2, 3, 4, 5, 6)), SHOW(syscall(214)), SHOW(syscall(215)), SHOW(syscall(181)), SHOW(syscall(183)), SHOW(syscall(184)), SHOW(syscall(185)), SHOW(syscall(205)), SHOW(syscall(211)), SHOW(syscall(236));
    return 0;
}
