// UndefinedBehaviorSanitizer ends what it finds.
// build: -fsanitize=undefined -fno-sanitize-recover=all
// libc: glibc
#include "children.h"
#include <limits.h>
int main(void) {
    volatile int most = INT_MAX, shift = 40, zero = 0, items[4];
    IN_CHILD("overflow", most + 1 == 0 ? puts("") : 0);
    IN_CHILD("shift", most = 1 << shift);
    IN_CHILD("division", most = 1 / zero);
    IN_CHILD("index", items[shift] = 1);
    IN_CHILD("nothing wrong", most = most - 1);
    return 0;
}
