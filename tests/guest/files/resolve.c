// openat2 keeps lookups beneath a directory, within a root, off links and off magic links.
#include "check.h"
struct open_how { uint64_t flags, mode, resolve; };
#define RESOLVE_NO_XDEV 0x01
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
static long open2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd >= 0) close(fd), fd = 0;
    return fd;
}
int main(void) {
    enter_scratch();
    mkdir("d", 0755);
    put_file("d/f", "f");
    put_file("out", "o");
    symlink("f", "d/link");
    symlink("../out", "d/up");
    symlink("/f", "d/abs");
    symlink("/out", "d/none");
    int d = NEED(open("d", O_RDONLY | O_DIRECTORY));
    SHOW(open2(d, "f", O_RDONLY, 0, 0));
    SHOW(open2(d, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
    SHOW(open2(d, "link", O_RDONLY, 0, RESOLVE_BENEATH));
    SHOW(open2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH));
    SHOW(open2(d, "../out", O_RDONLY, 0, RESOLVE_BENEATH));
    SHOW(open2(d, "abs", O_RDONLY, 0, RESOLVE_BENEATH));
    SHOW(open2(d, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT));
    SHOW(open2(d, "/f", O_RDONLY, 0, RESOLVE_IN_ROOT));
    SHOW(open2(d, "/f", O_RDONLY, 0, RESOLVE_BENEATH));
    SHOW(open2(d, "../f", O_RDONLY, 0, RESOLVE_IN_ROOT));
    SHOW(open2(d, "none", O_RDONLY, 0, RESOLVE_IN_ROOT));
    SHOW(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
    SHOW(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, 0));
    SHOW(open2(AT_FDCWD, "/proc/self/fd/0", O_PATH, 0, RESOLVE_NO_MAGICLINKS));
    SHOW(open2(d, "f", O_RDONLY, 0644, 0));
    SHOW(open2(d, "new", O_WRONLY | O_CREAT, 0644, RESOLVE_BENEATH));
    SHOW(open2(d, "new", O_WRONLY | O_CREAT, 010000, 0));
    SHOW(open2(d, "f", O_RDONLY, 0, 0x1000));
    SHOW(open2(d, "f", 1ULL << 40, 0, 0));
    SHOW(syscall(SYS_openat2, d, "f", NULL, 24));
    struct { struct open_how how; uint64_t more; } big = {{.flags = O_RDONLY}, 0};
    SHOW(syscall(SYS_openat2, d, "f", &big, sizeof big) >= 0);
    big.more = 1;
    SHOW(syscall(SYS_openat2, d, "f", &big, sizeof big));
    SHOW(syscall(SYS_openat2, d, "f", &big, 8));
    unlink("d/f"), unlink("d/new"), unlink("d/link"), unlink("d/up"), unlink("d/abs"), unlink("d/none"), rmdir("d"), unlink("out");
    return 0;
}
