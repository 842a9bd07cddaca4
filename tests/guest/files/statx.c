// statx and fstatat: the empty path, not following links, bad flags.
#include "check.h"
#include <sys/stat.h>
int main(void) {
    enter_scratch();
    put_file("file", "12345");
    symlink("file", "link");
    struct stat s;
    SHOW(fstatat(AT_FDCWD, "link", &s, 0));
    printf("%ld\n", (long)s.st_size);
    SHOW(fstatat(AT_FDCWD, "link", &s, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISLNK(s.st_mode));
    int fd = open("file", O_RDONLY);
    SHOW(fstatat(fd, "", &s, AT_EMPTY_PATH));
    printf("%ld\n", (long)s.st_size);
    SHOW(fstatat(fd, "", &s, 0));
    SHOW(fstatat(fd, "x", &s, 0));
    SHOW(fstatat(0x7777, "x", &s, 0));
    SHOW(fstatat(AT_FDCWD, "file", &s, 0x40000000));
#ifdef STATX_BASIC_STATS
    struct statx x;
    SHOW(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x));
    printf("%o %lu %u\n", x.stx_mode, (unsigned long)x.stx_size, x.stx_nlink);
    CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    SHOW(statx(AT_FDCWD, "absent", 0, STATX_BASIC_STATS, &x));
    SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
#else
    puts("no statx here");
#endif
    unlink("file"), unlink("link");
    return 0;
}
