// Anonymous mappings are zeroed, separate, page-aligned, and gone after munmap.
#include "check.h"
#include <sys/mman.h>
static volatile sig_atomic_t faults;
#include <setjmp.h>
static sigjmp_buf back;
static void fault(int number) { faults++, siglongjmp(back, number); }
int main(void) {
    signal(SIGSEGV, fault);
    char *a = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(a != MAP_FAILED && (uintptr_t)a % 4096 == 0);
    int zero = 1;
    for (int i = 0; i < 12288; i++) zero &= a[i] == 0;
    CHECK(zero);
    memset(a, 7, 12288);
    SHOW(munmap(a + 4096, 100));
    if (!sigsetjmp(back, 1)) printf("%d\n", a[4096]);
    CHECK(faults == 1);
    CHECK(a[0] == 7 && a[8192] == 7);
    SHOW(munmap(a, 10000));
    SHOW(munmap(a, 10000));
    if (!sigsetjmp(back, 1)) a[0] = 1;
    CHECK(faults == 2);
    SHOW(munmap(a + 1, 4096));
    SHOW(munmap(a, 0));
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
    CHECK(mmap(NULL, 1UL << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    return 0;
}
