// link and symlink: directories, other names, loops, long targets, counts, O_TMPFILE given a name.
// libc: glibc
#include "check.h"
#include <sys/fsuid.h>
static int nlink(const char *path) {
    struct stat s;
    return lstat(path, &s) ? -1 : (int)s.st_nlink;
}
int main(void) {
    enter_scratch();
    put_file("f", "x"), mkdir("d", 0755), symlink("f", "s"), symlink("nowhere", "dangling");
    SHOW(link("f", "g")), SHOW(nlink("f")), SHOW(link("f", "g")), SHOW(link("d", "e")), SHOW(link("none", "h")), SHOW(link("s", "s2")), SHOW(nlink("s")), SHOW(linkat(AT_FDCWD, "s", AT_FDCWD, "s3", AT_SYMLINK_FOLLOW)), SHOW(nlink("f"));
    SHOW(link("dangling", "h")), SHOW(linkat(AT_FDCWD, "dangling", AT_FDCWD, "i", AT_SYMLINK_FOLLOW)), SHOW(link("f", "d/")), SHOW(link("f", "none/x")), SHOW(linkat(AT_FDCWD, "f", AT_FDCWD, "j", 0x8000));
    SHOW(symlink("", "e")), SHOW(symlink("x", "f")), SHOW(symlink("x", "f/y")), SHOW(symlink("x", "d/")), SHOW(readlink("f", (char[4]){0}, 4)), SHOW(readlink("s", (char[4]){0}, 0)), SHOW(readlinkat(AT_FDCWD, "", (char[4]){0}, 4));
    char big[4200];
    memset(big, 'b', 4199), big[4199] = 0, SHOW(symlink(big, "big")), big[4095] = 0, SHOW(symlink(big, "big")), SHOW(readlink("big", big, 4200));
    symlink("loop2", "loop1"), symlink("loop1", "loop2"), SHOW(open("loop1", O_RDONLY)), SHOW(stat("loop1", &(struct stat){0})), SHOW(lstat("loop1", &(struct stat){0}));
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    char path[64];
    snprintf(path, 64, "/proc/self/fd/%d", fd), write(fd, "tmp", 3), SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW)), show_file("named"), SHOW(nlink("named"));
    int excl = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    snprintf(path, 64, "/proc/self/fd/%d", excl), SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW)), SHOW(open(".", O_TMPFILE | O_RDONLY, 0600)), SHOW(open("f", O_TMPFILE | O_RDWR, 0600)), SHOW(nlink("d"));
    const char *all[] = {"f", "g", "s", "s2", "s3", "h", "dangling", "big", "loop1", "loop2", "named", "e"};
    for (int i = 0; i < 12; i++) unlink(all[i]);
    rmdir("d");
    return 0;
}
