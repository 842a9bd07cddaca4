// renameat2: NOREPLACE, EXCHANGE, directories over directories, into themselves, over links, dots.
// libc: musl
#include "check.h"
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
static int ren(const char *a, const char *b, int flags) { return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags); }
int main(void) {
    enter_scratch();
    put_file("a", "A"), put_file("b", "B"), mkdir("d", 0755), mkdir("d/e", 0755), mkdir("empty", 0755), symlink("a", "l"), link("a", "a2");
    SHOW(ren("a", "b", RENAME_NOREPLACE)), SHOW(ren("a", "c", RENAME_NOREPLACE)), SHOW(ren("c", "b", RENAME_EXCHANGE)), show_file("b"), show_file("c"), SHOW(ren("c", "none", RENAME_EXCHANGE)), SHOW(ren("c", "d", RENAME_EXCHANGE)), show_file("d"), SHOW(ren("c", "d", RENAME_EXCHANGE));
    SHOW(ren("a", "b", 3)), SHOW(ren("a", "b", 64)), SHOW(rename("none", "x")), SHOW(rename("d", "d/e/x")), SHOW(rename("d", "d/e")), SHOW(rename("b", "d")), SHOW(rename("d", "b")), SHOW(rename("empty", "d")), SHOW(rename("d/e", "empty")), SHOW(access("d/e", F_OK)), SHOW(rename("d", "empty"));
    SHOW(rename("b", "b/")), SHOW(rename("b", "")), SHOW(rename("empty", "empty/.")), SHOW(rename(".", "x")), SHOW(rename("..", "x")), SHOW(rename("empty", "empty/..")), SHOW(rename("b", "a2")), SHOW(access("b", F_OK)), SHOW(access("a2", F_OK));
    SHOW(rename("l", "m")), SHOW(readlink("m", (char[8]){0}, 8)), SHOW(rename("c", "m")), SHOW(readlink("m", (char[8]){0}, 8)), SHOW(rename("empty", "newdir/")), SHOW(access("newdir", F_OK)), SHOW(ren("m", "newdir/q", RENAME_NOREPLACE)), show_file("newdir/q");
    unlink("newdir/q"), unlink("a2"), unlink("b"), unlink("a"), unlink("m"), unlink("c"), rmdir("newdir"), rmdir("d"), rmdir("empty");
    return 0;
}
