// I/O priorities: kept, inherited, and who may set which.
#include "children.h"
static long set(int kind, int who, int value) { return syscall(SYS_ioprio_set, kind, who, value); }
static long get(int kind, int who) { return syscall(SYS_ioprio_get, kind, who); }
#define CLASS(class, level) ((class) << 13 | (level))
int main(void) {
    setpgid(0, 0);
    SHOW(get(1, 0)), SHOW(get(1, getpid())), SHOW(get(2, 0)), SHOW(get(1, 0x3fffffff)), SHOW(get(4, 0)), SHOW(get(0, 0)), SHOW(get(2, 0x3fffffff));
    SHOW(set(1, 0, CLASS(2, 7))), SHOW(get(1, 0)), SHOW(get(2, 0)), SHOW(set(1, 0, CLASS(3, 0))), SHOW(get(1, getpid()));
    IN_CHILD("child", (SHOW(get(1, 0)), SHOW(set(1, 0, CLASS(2, 1))), SHOW(get(1, 0)), SHOW(get(2, 0)))), SHOW(get(1, 0));
    SHOW(set(1, 0, CLASS(0, 1))), SHOW(set(1, 0, CLASS(4, 0))), SHOW(set(1, 0, CLASS(7, 0))), SHOW(set(1, 0x3fffffff, CLASS(2, 0))), SHOW(set(9, 0, CLASS(2, 0))), SHOW(set(1, 0, 0)), SHOW(get(1, 0));
    setuid(1), SHOW(set(1, 0, CLASS(1, 0))), SHOW(set(1, 0, CLASS(2, 0))), SHOW(get(1, 0));
    return 0;
}
