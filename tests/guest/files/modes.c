// umask, chmod and the modes that creation gives.
#include "check.h"
static void show(const char *path) {
    struct stat s;
    stat(path, &s);
    printf("%s %o\n", path, (unsigned)s.st_mode & 07777);
}
int main(void) {
    enter_scratch();
    printf("%o\n", (unsigned)umask(027));
    close(open("f", O_WRONLY | O_CREAT, 0666));
    show("f");
    mkdir("d", 0777);
    show("d");
    printf("%o\n", (unsigned)umask(0));
    close(open("g", O_WRONLY | O_CREAT, 0666));
    show("g");
    SHOW(chmod("g", 0421));
    show("g");
    SHOW(chmod("absent", 0600));
    int fd = open("f", O_RDONLY);
    SHOW(fchmod(fd, 0755));
    show("f");
    SHOW(fchmodat(AT_FDCWD, "f", 0600, 0));
    show("f");
    SHOW(fchmod(0x7777, 0755));
    SHOW(access("f", X_OK));
    SHOW(access("f", F_OK));
    SHOW(access("f", R_OK | W_OK));
    SHOW(access("f", 99));
    SHOW(access("absent", F_OK));
    SHOW(access("f/x", F_OK));
    SHOW(faccessat(AT_FDCWD, "d", X_OK, 0));
    SHOW(chown("f", -1, -1));
    SHOW(chown("absent", -1, -1));
    unlink("f"), unlink("g"), rmdir("d");
    return 0;
}
