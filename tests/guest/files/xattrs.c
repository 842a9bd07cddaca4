// Extended attributes: set, replace, list, sizes, names, links, special files, permissions.
// libc: glibc
#include "children.h"
#include <sys/xattr.h>
int main(void) {
    enter_scratch();
    chmod(".", 0777);
    put_file("f", "x"), symlink("f", "l"), mkdir("d", 0755), mkfifo("p", 0644);
    char value[64] = {0}, list[256] = {0};
    SHOW(setxattr("f", "user.a", "hello", 5, 0)), SHOW(getxattr("f", "user.a", value, 64)), printf("%s\n", value), SHOW(getxattr("f", "user.a", value, 3)), SHOW(getxattr("f", "user.a", NULL, 0)), SHOW(getxattr("f", "user.none", value, 64));
    SHOW(setxattr("f", "user.a", "x", 1, XATTR_CREATE)), SHOW(setxattr("f", "user.b", "x", 1, XATTR_REPLACE)), SHOW(setxattr("f", "user.a", "bye", 3, XATTR_REPLACE)), SHOW(setxattr("f", "user.e", "", 0, 0)), SHOW(getxattr("f", "user.e", value, 64)), SHOW(setxattr("f", "user.a", "x", 1, 4));
    SHOW(setxattr("f", "noprefix", "x", 1, 0)), SHOW(setxattr("f", "", "x", 1, 0)), SHOW(setxattr("f", "user.", "x", 1, 0)), SHOW(setxattr("f", "odd.x", "x", 1, 0)), SHOW(setxattr("none", "user.a", "x", 1, 0)), SHOW(setxattr("f", "user.n", NULL, 5, 0));
    SHOW(lsetxattr("l", "user.a", "x", 1, 0)), SHOW(getxattr("l", "user.a", value, 64)), SHOW(lgetxattr("l", "user.a", value, 64)), SHOW(setxattr("d", "user.d", "x", 1, 0)), SHOW(setxattr("p", "user.p", "x", 1, 0)), SHOW(listxattr("f", NULL, 0) > 0), SHOW(listxattr("f", list, 3)), SHOW(listxattr("p", list, 256));
    int fd = NEED(open("f", O_RDONLY)), path = NEED(open("f", O_PATH));
    SHOW(fgetxattr(fd, "user.a", value, 64)), SHOW(fsetxattr(fd, "user.f", "f", 1, 0)), SHOW(fgetxattr(path, "user.a", value, 64)), SHOW(fremovexattr(fd, "user.f")), SHOW(removexattr("f", "user.f")), SHOW(removexattr("f", "user.e"));
    char name[300] = "user.";
    memset(name + 5, 'n', 290), name[255] = 0, SHOW(setxattr("f", name, "x", 1, 0)), name[255] = 'n', name[256] = 0, SHOW(setxattr("f", name, "x", 1, 0)), SHOW(setxattr("f", "user.big", value, 70000, 0));
    IN_CHILD("user", setresuid(5, 5, 5); SHOW(getxattr("f", "user.a", value, 64)); SHOW(setxattr("f", "user.a", "y", 1, 0)); SHOW(getxattr("f", "trusted.t", value, 64)); SHOW(removexattr("f", "user.a")));
    unlink("f"), unlink("l"), rmdir("d"), unlink("p");
    return 0;
}
