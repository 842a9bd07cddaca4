// rename replaces files, moves directories and refuses what would not be a tree any more.
#include "check.h"
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
static long renameat2_(const char *from, const char *to, int flags) {
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}
int main(void) {
    enter_scratch();
    put_file("a", "A");
    put_file("b", "B");
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    mkdir("full", 0755);
    put_file("full/x", "X");
    SHOW(rename("a", "b"));
    show_file("b");
    SHOW(access("a", F_OK));
    SHOW(rename("absent", "b"));
    SHOW(rename("b", "d"));
    SHOW(rename("d", "b"));
    SHOW(rename("d", "d/e/f"));
    SHOW(rename("d", "full"));
    SHOW(rename("d", "new"));
    SHOW(access("new/e", F_OK));
    SHOW(rename("b", "new/e/b"));
    show_file("new/e/b");
    SHOW(rename("new/e/b", "new/e/b"));
    put_file("c", "C");
    SHOW(renameat2_("c", "new/e/b", RENAME_NOREPLACE));
    SHOW(renameat2_("c", "new/e/b", RENAME_EXCHANGE));
    show_file("c");
    show_file("new/e/b");
    SHOW(renameat2_("c", "new/e/b", RENAME_EXCHANGE | RENAME_NOREPLACE));
    unlink("c"), unlink("new/e/b"), rmdir("new/e"), rmdir("new"), unlink("full/x"), rmdir("full");
    return 0;
}
