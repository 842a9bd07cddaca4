// mkdir, rmdir, chdir, getcwd and their errors.
#include "check.h"
int main(void) {
    enter_scratch();
    char where[256];
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("no/d", 0755));
    put_file("f", "");
    SHOW(mkdir("f/d", 0755));
    SHOW(mkdir("d/e/", 0755));
    SHOW(rmdir("d"));
    SHOW(rmdir("f"));
    SHOW(rmdir("absent"));
    SHOW(rmdir("d/e/."));
    SHOW(chdir("d/e"));
    CHECK(getcwd(where, sizeof where) && strcmp(strrchr(where, '/'), "/e") == 0);
    SHOW(chdir("../../f"));
    SHOW(chdir("nowhere"));
    SHOW(chdir(".."));
    CHECK(getcwd(where, sizeof where) && strcmp(strrchr(where, '/'), "/d") == 0);
    SHOW(syscall(SYS_getcwd, where, 2));
    int fd = open("e", O_RDONLY | O_DIRECTORY);
    SHOW(fchdir(fd));
    CHECK(getcwd(where, sizeof where) && strcmp(strrchr(where, '/'), "/e") == 0);
    SHOW(fchdir(0x7777));
    SHOW(rmdir("../e"));
    CHECK(syscall(SYS_getcwd, where, sizeof where) == -1 && errno == ENOENT);
    SHOW(open("x", O_WRONLY | O_CREAT, 0644));
    SHOW(chdir("/"));
    CHECK(getcwd(where, sizeof where) && strcmp(where, "/") == 0);
    SHOW(access("../../etc/..", F_OK));
    chdir(scratch_path);
    rmdir("d"), unlink("f");
    return 0;
}
