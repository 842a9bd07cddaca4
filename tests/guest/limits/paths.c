// Names of 255 and 256 bytes, paths of 4095 and 4096, 40 and 41 links, and buffers that are as long as what they are for.
// libc: musl
#include "check.h"
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>

static char name[4200], path[4200];

// "./././…/f" of `length` bytes.
static char *to_file(int length) {
    for (int i = 0; i < length - 1; i++) path[i] = i % 2 ? '/' : '.';
    path[length - 2] = '/', path[length - 1] = 'f', path[length] = 0;
    return path;
}

static void with_names(int length) {
    memset(name, 'n', sizeof name), name[length] = 0;
    printf("%d bytes\n", length);
    SHOW(mkdir(name, 0755)), SHOW(rmdir(name)), SHOW(symlink("f", name)), SHOW(unlink(name)), SHOW(link("f", name)), SHOW(unlink(name)), SHOW(mknod(name, S_IFIFO | 0600, 0)), SHOW(unlink(name)), SHOW(rename("f", name)), SHOW(rename(name, "f")), TRY(open(name, O_CREAT | O_EXCL, 0600)), SHOW(unlink(name)), SHOW(access(name, F_OK)), SHOW(chmod(name, 0600)), SHOW(truncate(name, 0)), SHOW(chdir(name)), SHOW(getxattr(name, "user.a", path, 1)), SHOW(access(strcat(name, "/f"), F_OK));
}

static void with_paths(int length) {
    struct stat about;
    struct statfs system;
    char byte;
    printf("%d bytes\n", length), to_file(length);
    TRY(open(path, O_RDONLY)), SHOW(stat(path, &about)), SHOW(lstat(path, &about)), SHOW(access(path, F_OK)), SHOW(chmod(path, 0644)), SHOW(truncate(path, 0)), SHOW(readlink(path, &byte, 1)), SHOW(statfs(path, &system)), SHOW(link(path, "g")), SHOW(unlink("g")), SHOW(rename(path, "f")), SHOW(chdir(path)), SHOW(rmdir(path)), SHOW(mkdir(path, 0755)), SHOW(execve(path, NULL, NULL)), SHOW(utimensat(AT_FDCWD, path, NULL, 0)), SHOW(symlink(path, "s")), SHOW(readlink("s", name, sizeof name)), SHOW(unlink("s"));
}

int main(void) {
    enter_scratch(), put_file("f", "");
    with_names(255), with_names(256), with_names(4095), with_names(4096), with_paths(4094), with_paths(4095), with_paths(4096);
    // A chain of links, each to the one before.
    char from[16], to[16];
    NEED(symlink("f", "l1"));
    for (int i = 2; i <= 42; i++) snprintf(from, 16, "l%d", i - 1), snprintf(to, 16, "l%d", i), NEED(symlink(from, to));
    SHOW(access("l39", F_OK)), SHOW(access("l40", F_OK)), SHOW(access("l41", F_OK)), SHOW(faccessat(AT_FDCWD, "l41", F_OK, AT_SYMLINK_NOFOLLOW)), TRY(open("l40", O_RDONLY)), TRY(open("l41", O_RDONLY)), TRY(open("l42", O_RDONLY | O_NOFOLLOW)), SHOW(rename("l42", "l43")), SHOW(unlink("l43"));
    // The same number in the middle of a path.
    NEED(mkdir("d", 0755)), put_file("d/f", ""), NEED(symlink("d", "d1"));
    path[0] = 0;
    for (int i = 0; i < 20; i++) strcat(path, "d1/../");
    strcpy(name, path), strcat(name, path), strcat(path, "d1/f"), SHOW(access(path, F_OK)), strcat(name, "f"), SHOW(access(name, F_OK)), strcpy(strrchr(name, '/'), "/d1/f"), SHOW(access(name, F_OK));
    for (int i = 1; i <= 41; i++) snprintf(to, 16, "l%d", i), NEED(unlink(to));
    NEED(unlink("d1")), NEED(unlink("d/f")), NEED(rmdir("d"));
    // getcwd and readlink with buffers of all lengths around what they need.
    long length = NEED(syscall(SYS_getcwd, path, sizeof path));
    CHECK(length == (long)strlen(path) + 1);
    NEED(symlink("0123456789", "s"));
    for (long size = -1; size <= 1; size++) CHECK(syscall(SYS_getcwd, name, length + size) == (size < 0 ? -1 : length));
    SHOW(syscall(SYS_getcwd, name, 0)), SHOW(syscall(SYS_getcwd, NULL, 0)), SHOW(syscall(SYS_getcwd, NULL, 1)), SHOW(syscall(SYS_getcwd, NULL, 4096)), SHOW(syscall(SYS_getcwd, name, -1L) == length);
    for (long size = 9; size <= 12; size++) memset(name, '#', 16), printf("%ld: %ld %.12s\n", size, (long)readlink("s", name, size), name);
    SHOW(syscall(SYS_readlink, "s", name, 0)), SHOW(syscall(SYS_readlink, "s", name, -1)), SHOW(syscall(SYS_readlink, "f", name, 0)), SHOW(syscall(SYS_readlink, "none", name, 0)), SHOW(syscall(SYS_readlink, "s", NULL, 0)), SHOW(syscall(SYS_readlink, "s", NULL, 4)), SHOW(syscall(SYS_readlink, "s", name, 0x7fffffff));
    unlink("s");
    // Working directories deeper than a path may be long.
    memset(name, 'd', 200), name[200] = 0;
    for (int i = 0; i < 21; i++) NEED(mkdir(name, 0755)), NEED(chdir(name));
    SHOW(syscall(SYS_getcwd, path, sizeof path)), SHOW(syscall(SYS_getcwd, path, 4096));
    for (int i = 0; i < 21; i++) NEED(chdir("..")), NEED(rmdir(name));
    unlink("f");
    return 0;
}
