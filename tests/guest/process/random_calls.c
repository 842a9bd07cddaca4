// getrandom: flags, sizes, bad pointers; no two answers alike.
// libc: musl
#include "check.h"
#include <sys/random.h>
int main(void) {
    static char a[70000], b[70000];
    SHOW(getrandom(a, 16, 0)), SHOW(getrandom(b, 16, GRND_NONBLOCK)), CHECK(memcmp(a, b, 16)), SHOW(getrandom(a, 70000, 0)), SHOW(getrandom(b, 70000, GRND_RANDOM)), CHECK(memcmp(a, b, 70000)), SHOW(getrandom(a, 0, 0)), SHOW(getrandom(a, 1, 64)), SHOW(getrandom(a, 1, GRND_RANDOM | 4)), SHOW(syscall(SYS_getrandom, 8, 16, 0)), SHOW(syscall(SYS_getrandom, 8, 0, 0));
    return 0;
}
