// Names of 255 bytes work and of 256 do not; paths of 4095 and 4096; odd bytes in names.
// libc: glibc
#include "check.h"
int main(void) {
    enter_scratch();
    char name[300], path[5000] = "";
    memset(name, 'n', 299), name[255] = 0;
    SHOW(mkdir(name, 0755)), SHOW(access(name, F_OK)), SHOW(rmdir(name)), name[255] = 'n', name[256] = 0, SHOW(mkdir(name, 0755)), SHOW(open(name, O_CREAT | O_WRONLY, 0644)), SHOW(access(name, F_OK)), SHOW(rename("x", name)), SHOW(symlink("x", name));
    while (strlen(path) < 4000) strcat(path, "./");
    while (strlen(path) < 4094) strcat(path, "/");
    strcat(path, "f"), SHOW(strlen(path)), SHOW(open(path, O_CREAT | O_WRONLY, 0644) > 0), SHOW(access("f", F_OK)), strcpy(path + 4094, "/f"), SHOW(access(path, F_OK)), unlink("f");
    SHOW(mkdir(" ", 0755)), SHOW(mkdir("\n\t\001", 0755)), SHOW(mkdir("\377\376", 0755)), SHOW(mkdir("...", 0755)), SHOW(rmdir(" ")), SHOW(rmdir("\n\t\001")), SHOW(rmdir("\377\376")), SHOW(rmdir("..."));
    return 0;
}
