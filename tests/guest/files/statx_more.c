// statx: masks, flags, empty paths, kinds, and what is refused.
// libc: glibc
#include "check.h"
#include <sys/sysmacros.h>
struct sx { uint32_t mask, blksize; uint64_t attributes; uint32_t nlink, uid, gid; uint16_t mode, pad; uint64_t ino, size, blocks, attributes_mask; struct { int64_t s; uint32_t n; int32_t p; } at, bt, ct, mt; uint32_t rmajor, rminor, dmajor, dminor; uint64_t mnt, spare[13]; };
static long sx(int dir, const char *path, int flags, unsigned mask, struct sx *x) { return syscall(SYS_statx, dir, path, flags, mask, x); }
int main(void) {
    enter_scratch();
    put_file("f", "hello"), symlink("f", "l"), mkdir("d", 0750);
    struct sx x;
    SHOW(sx(AT_FDCWD, "f", 0, 0x7ff, &x)), printf("%o %lu %u\n", x.mode, x.size, x.nlink), CHECK((x.mask & 0x7ff) == 0x7ff), SHOW(sx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, 0x7ff, &x)), printf("%o %lu\n", x.mode, x.size), SHOW(sx(AT_FDCWD, "d", 0, 1, &x)), printf("%o\n", x.mode);
    int fd = NEED(open("f", O_RDONLY));
    SHOW(sx(fd, "", AT_EMPTY_PATH, 0x200, &x)), SHOW(x.size), SHOW(sx(fd, "", 0, 0x200, &x)), SHOW(sx(fd, NULL, AT_EMPTY_PATH, 0x200, &x)), SHOW(sx(AT_FDCWD, "", AT_EMPTY_PATH, 0x200, &x)), printf("%o\n", x.mode & S_IFMT);
    SHOW(sx(AT_FDCWD, "f", 0x6000, 0x7ff, &x)), SHOW(sx(AT_FDCWD, "f", 0x2000, 0x7ff, &x)), SHOW(sx(AT_FDCWD, "f", 0x4000, 0x7ff, &x)), SHOW(sx(AT_FDCWD, "f", 1, 0x7ff, &x)), SHOW(sx(AT_FDCWD, "f", 0, 0x80000000, &x)), SHOW(sx(AT_FDCWD, "f", 0, 0x7ff, (void *)8)), SHOW(sx(AT_FDCWD, "none", 0, 0x7ff, &x)), SHOW(sx(fd, "x", 0, 0x7ff, &x)), SHOW(sx(99, "x", 0, 0x7ff, &x));
    SHOW(sx(AT_FDCWD, "/dev/null", 0, 0x7ff, &x)), printf("%o %u %u\n", x.mode, x.rmajor, x.rminor), SHOW(sx(AT_FDCWD, "/proc/self/status", 0, 0x7ff, &x)), printf("%o %lu\n", x.mode, x.size);
    unlink("f"), unlink("l"), rmdir("d");
    return 0;
}
