// Extended attributes of the user class: create, replace, list, remove, and their errors.
#include "check.h"
#include <sys/xattr.h>
int main(void) {
    enter_scratch();
    put_file("f", "f");
    mkdir("d", 0755);
    symlink("f", "l");
    SHOW(setxattr("f", "user.a", "one", 3, 0));
    SHOW(setxattr("f", "user.a", "two!", 4, XATTR_CREATE));
    SHOW(setxattr("f", "user.b", "x", 1, XATTR_REPLACE));
    SHOW(setxattr("f", "user.a", "two!", 4, XATTR_REPLACE));
    SHOW(setxattr("d", "user.dir", "", 0, 0));
    char bytes[64] = {0};
    SHOW(getxattr("f", "user.a", bytes, sizeof bytes));
    puts(bytes);
    SHOW(getxattr("f", "user.a", bytes, 2));
    SHOW(getxattr("f", "user.a", NULL, 0));
    SHOW(getxattr("f", "user.none", bytes, sizeof bytes));
    SHOW(getxattr("d", "user.dir", bytes, sizeof bytes));
    SHOW(listxattr("f", bytes, sizeof bytes));
    puts(bytes);
    SHOW(listxattr("f", bytes, 3));
    SHOW(lsetxattr("l", "user.a", "x", 1, 0));
    SHOW(getxattr("l", "user.a", bytes, sizeof bytes));
    SHOW(setxattr("f", "nonsense.a", "x", 1, 0));
    SHOW(setxattr("f", "", "x", 1, 0));
    SHOW(setxattr("f", "user.a", "x", 1, 7));
    SHOW(setxattr("absent", "user.a", "x", 1, 0));
    SHOW(removexattr("f", "user.a"));
    SHOW(removexattr("f", "user.a"));
    int fd = NEED(open("f", O_RDONLY));
    SHOW(fsetxattr(fd, "user.fd", "1", 1, 0));
    SHOW(flistxattr(fd, NULL, 0));
    unlink("f"), unlink("l"), rmdir("d");
    return 0;
}
