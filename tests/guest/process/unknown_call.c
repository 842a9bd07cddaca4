// A number that names no system call answers ENOSYS.
#include "check.h"
int main(void) {
    SHOW(syscall(9999));
    SHOW(syscall(100000, 1, 2, 3));
    SHOW(syscall(-1));
    return 0;
}
