// Directories: mkdir and rmdir errors, dots, a removed working directory, getcwd, fchdir.
// libc: musl
#include "check.h"
#include <dirent.h>
int main(void) {
    enter_scratch();
    char here[4096];
    put_file("f", "x");
    SHOW(mkdir("d", 0755)), SHOW(mkdir("d", 0755)), SHOW(mkdir("f/x", 0755)), SHOW(mkdir("none/x", 0755)), SHOW(mkdir("", 0755)), SHOW(mkdir("d/.", 0755)), SHOW(mkdir("d/..", 0755)), SHOW(mkdir("e/", 0755)), SHOW(mkdir("/", 0755)), SHOW(mkdir(".", 0755));
    SHOW(rmdir("f")), SHOW(rmdir("none")), SHOW(rmdir(".")), SHOW(rmdir("d/.")), SHOW(rmdir("d/..")), SHOW(rmdir("..")), SHOW(rmdir("e/")), mkdir("d/sub", 0755), SHOW(rmdir("d")), SHOW(unlink("d")), SHOW(unlink("f/")), SHOW(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR)), SHOW(unlinkat(AT_FDCWD, "d/sub", 0)), SHOW(unlinkat(AT_FDCWD, "f", 1 << 20));
    SHOW(chdir("f")), SHOW(chdir("none")), SHOW(chdir("")), SHOW(chdir("d/sub")), SHOW(rmdir("../sub")), SHOW(getcwd(here, sizeof here) ? 0 : -1), SHOW(open("x", O_CREAT | O_WRONLY, 0644)), SHOW(mkdir("y", 0755)), SHOW(chdir("..")), SHOW(open(".", O_RDONLY) > 0);
    int gone = open(".", O_RDONLY);
    SHOW(fchdir(gone)), SHOW(fchdir(0)), SHOW(fchdir(99)), chdir(scratch_path), SHOW(getcwd(here, 3) ? 0 : -1), SHOW(syscall(SYS_getcwd, here, 0)), SHOW(syscall(SYS_getcwd, here, sizeof here) == (long)strlen(here) + 1);
    mkdir("s", 03777);
    struct stat s;
    stat("s", &s), printf("%o\n", s.st_mode), chmod("s", 02755), mkdir("s/inner", 0755), stat("s/inner", &s), printf("%o %ld\n", s.st_mode, (long)s.st_nlink), stat("s", &s), SHOW(s.st_nlink);
    rmdir("s/inner"), rmdir("s"), rmdir("d/sub"), rmdir("d"), unlink("f");
    return 0;
}
