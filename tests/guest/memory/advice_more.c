// madvise: DONTNEED on each kind of mapping, WIPEONFORK, DONTFORK, POPULATE, FREE, holes and unknown advice.
// libc: musl
#include "children.h"
#include <sys/mman.h>
#define MADV_POPULATE_READ_ 22
#define MADV_POPULATE_WRITE_ 23
int main(void) {
    enter_scratch();
    put_file("f", "file");
    int fd = NEED(open("f", O_RDWR)), A = MAP_PRIVATE | MAP_ANONYMOUS, RW = PROT_READ | PROT_WRITE;
    char *a = mmap(NULL, 8192, RW, A, -1, 0), *s = mmap(NULL, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *p = mmap(NULL, 4096, RW, MAP_PRIVATE, fd, 0);
    a[0] = s[0] = p[0] = 'X';
    SHOW(madvise(a, 4096, MADV_DONTNEED)), SHOW(a[0]), SHOW(madvise(s, 4096, MADV_DONTNEED)), SHOW(s[0]), SHOW(madvise(p, 4096, MADV_DONTNEED)), SHOW(p[0]);
    a[0] = 'W', a[4096] = 'K';
    SHOW(madvise(a, 4096, MADV_WIPEONFORK)), SHOW(madvise(s, 4096, MADV_WIPEONFORK)), SHOW(madvise(p, 4096, MADV_WIPEONFORK));
    IN_CHILD("wiped", SHOW(a[0]); SHOW(a[4096]); a[0] = 'C'; IN_CHILD("again", SHOW(a[0])));
    SHOW(a[0]), SHOW(madvise(a, 4096, MADV_KEEPONFORK));
    IN_CHILD("kept", SHOW(a[0]));
    SHOW(madvise(a, 4096, MADV_DONTFORK));
    IN_CHILD("not there", SHOW(a[4096]); a[0] = 1);
    SHOW(madvise(a, 4096, MADV_DOFORK));
    IN_CHILD("there", SHOW(a[0]));
    SHOW(madvise(a, 8192, MADV_POPULATE_READ_)), SHOW(madvise(a, 8192, MADV_POPULATE_WRITE_)), SHOW(madvise(a, 8192, MADV_FREE)), SHOW(madvise(s, 4096, MADV_FREE));
    SHOW(madvise(a, 8192, MADV_WILLNEED)), SHOW(madvise(a, 8192, MADV_HUGEPAGE)), SHOW(madvise(a, 8192, MADV_NOHUGEPAGE)), SHOW(madvise(a, 8192, MADV_RANDOM));
    SHOW(madvise(a, 8192, MADV_COLD)), SHOW(madvise(a, 8192, MADV_PAGEOUT)), SHOW(madvise(a, 8192, MADV_DONTDUMP)), SHOW(madvise(a, 8192, MADV_DODUMP));
    SHOW(madvise(a, 8192, 99)), SHOW(madvise(a + 1, 4096, MADV_DONTNEED)), SHOW(madvise(a, 0, MADV_DONTNEED)), SHOW(madvise(a, -8192, MADV_DONTNEED));
    munmap(a + 4096, 4096), SHOW(madvise(a, 8192, MADV_DONTNEED)), SHOW(madvise(a, 8192, MADV_POPULATE_READ_));
    mprotect(a, 4096, PROT_READ), SHOW(madvise(a, 4096, MADV_POPULATE_WRITE_));
    SHOW(posix_madvise(a, 4096, POSIX_MADV_DONTNEED));
    unlink("f");
    return 0;
}
