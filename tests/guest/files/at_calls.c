// The *at calls start at a directory descriptor, and ignore it for absolute paths.
#include "check.h"
int main(void) {
    enter_scratch();
    SHOW(mkdirat(AT_FDCWD, "d", 0755));
    int dir = NEED(open("d", O_RDONLY | O_DIRECTORY));
    int fd = openat(dir, "f", O_WRONLY | O_CREAT, 0644);
    SHOW(write(fd, "text", 4));
    show_file("d/f");
    SHOW(openat(fd, "x", O_RDONLY));
    SHOW(openat(0x7777, "x", O_RDONLY));
    TRY(openat(0x7777, "/", O_RDONLY));
    SHOW(mkdirat(dir, "sub", 0755));
    SHOW(symlinkat("f", dir, "s"));
    char target[8] = {0};
    SHOW(readlinkat(dir, "s", target, sizeof target));
    SHOW(linkat(dir, "f", dir, "h", 0));
    SHOW(renameat(dir, "h", AT_FDCWD, "moved"));
    show_file("moved");
    SHOW(unlinkat(dir, "sub", 0));
    SHOW(unlinkat(dir, "sub", AT_REMOVEDIR));
    SHOW(unlinkat(dir, "s", 0));
    SHOW(unlinkat(dir, "f", 0));
    SHOW(faccessat(dir, "f", F_OK, 0));
    unlink("moved"), rmdir("d");
    return 0;
}
