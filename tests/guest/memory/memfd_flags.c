// Every flag bit of memfd_create(2), alone and with MFD_HUGETLB: unknown bits come before all else.
#include "check.h"
#define HUGETLB 4u
int main(void) {
    for (int bit = 0; bit < 32; bit++) {
        if (1u << bit == HUGETLB) continue;
        long fd = syscall(SYS_memfd_create, "x", 1u << bit);
        printf("bit %d: %s; ", bit, fd == -1 ? error_name(errno) : "ok");
        if (fd != -1) close(fd);
        // What a system has of huge pages differs; what it refuses does not.
        fd = syscall(SYS_memfd_create, "x", HUGETLB | 1u << bit);
        int refuses = fd == -1 && errno != ENOMEM;
        printf("with huge pages: %s\n", refuses ? error_name(errno) : "not refused");
        if (fd != -1) close(fd);
    }
    SHOW(syscall(SYS_memfd_create, "", ~0u)), SHOW(syscall(SYS_memfd_create, NULL, 0)), SHOW(syscall(SYS_memfd_create, NULL, ~0u));
    char name[300];
    memset(name, 'n', sizeof name), name[249] = 0, TRY(syscall(SYS_memfd_create, name, 0)), name[249] = 'n', name[250] = 0;
    TRY(syscall(SYS_memfd_create, name, 0)), TRY(syscall(SYS_memfd_create, name, ~0u));
    return 0;
}
