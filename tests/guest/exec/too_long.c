// Arguments beyond the limits are E2BIG, and the program goes on.
// libc: glibc
#include "children.h"
#include <sys/mman.h>
int main(void) {
    char *env[] = {NULL};
    size_t size = 140000;
    char *big = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(big, 'a', size - 1);
    char *one[] = {"x", big, NULL};
    SHOW(execve("/proc/self/exe", one, env));
    big[100000] = 0;
    static char *many[64];
    for (int i = 0; i < 63; i++) many[i] = big;
    SHOW(execve("/proc/self/exe", many, env));
    CHECK(sysconf(_SC_ARG_MAX) >= 131072);
    return 0;
}
