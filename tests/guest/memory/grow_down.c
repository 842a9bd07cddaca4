// MAP_GROWSDOWN is accepted and its pages can be used; PROT_GROWSDOWN on other mappings is refused.
// libc: glibc
#include "check.h"
#include <sys/mman.h>
int main(void) {
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    CHECK(p != MAP_FAILED), p[0] = p[65535] = 1, SHOW(p[0] + p[65535]);
    SHOW(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0) == MAP_FAILED ? -1 : 0);
    char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    CHECK(stack != MAP_FAILED), SHOW(mprotect(stack, 4096, PROT_READ | PROT_GROWSDOWN)), SHOW(mprotect(stack, 4096, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
    return 0;
}
