// openat2's RESOLVE flags: in a root, beneath, without links, without magic links, and its struct's versions.
// libc: glibc
#include "check.h"
struct how { uint64_t flags, mode, resolve; };
enum { NO_XDEV = 1, NO_MAGICLINKS = 2, NO_SYMLINKS = 4, BENEATH = 8, IN_ROOT = 16, CACHED = 32 };
static long at(int dir, const char *path, uint64_t flags, uint64_t resolve) {
    struct how how = {flags, 0, resolve};
    long fd = syscall(437, dir, path, &how, sizeof how);
    return fd < 0 ? fd : (close(fd), 0);
}
int main(void) {
    enter_scratch();
    mkdir("d", 0755), mkdir("d/e", 0755), put_file("d/f", "x"), put_file("out", "x"), symlink("f", "d/link"), symlink("../out", "d/up"), symlink("/f", "d/abs"), symlink("e/../f", "d/within"), symlink("/proc/self/cwd", "d/magic");
    int dir = NEED(open("d", O_PATH));
    SHOW(at(dir, "f", 0, BENEATH)), SHOW(at(dir, "../out", 0, BENEATH)), SHOW(at(dir, "/f", 0, BENEATH)), SHOW(at(dir, "up", 0, BENEATH)), SHOW(at(dir, "abs", 0, BENEATH)), SHOW(at(dir, "within", 0, BENEATH)), SHOW(at(dir, "e/..", 0, BENEATH)), SHOW(at(dir, "..", 0, BENEATH));
    SHOW(at(dir, "/f", 0, IN_ROOT)), SHOW(at(dir, "../f", 0, IN_ROOT)), SHOW(at(dir, "abs", 0, IN_ROOT)), SHOW(at(dir, "up", 0, IN_ROOT)), SHOW(at(dir, "..", 0, IN_ROOT)), SHOW(at(dir, "/", 0, IN_ROOT));
    SHOW(at(dir, "link", 0, NO_SYMLINKS)), SHOW(at(dir, "f", 0, NO_SYMLINKS)), SHOW(at(dir, "link", O_PATH | O_NOFOLLOW, NO_SYMLINKS)), SHOW(at(dir, "link", O_NOFOLLOW, 0));
    SHOW(at(AT_FDCWD, "/proc/self/cwd/out", 0, NO_MAGICLINKS)), SHOW(at(AT_FDCWD, "/proc/self/cwd/out", 0, 0)), SHOW(at(AT_FDCWD, "d/link", 0, NO_MAGICLINKS)), SHOW(at(AT_FDCWD, "/proc/version", 0, NO_XDEV));
    SHOW(at(dir, "f", 0, BENEATH | IN_ROOT)), SHOW(at(dir, "f", 0, 64)), SHOW(at(dir, "f", 1ULL << 40, 0)), SHOW(at(dir, "new", O_CREAT | O_WRONLY, BENEATH)), SHOW(at(99, "f", 0, 0));
    struct how how = {O_RDONLY, 0644, 0};
    SHOW(syscall(437, dir, "f", &how, sizeof how)), how = (struct how){O_CREAT, 01777777, 0}, SHOW(syscall(437, dir, "f", &how, sizeof how));
    struct { struct how how; uint64_t more; } longer = {{O_RDONLY, 0, 0}, 0};
    SHOW(syscall(437, dir, "f", &longer, sizeof longer) > 0), longer.more = 1, SHOW(syscall(437, dir, "f", &longer, sizeof longer)), SHOW(syscall(437, dir, "f", &how, 16)), SHOW(syscall(437, dir, "f", NULL, 24)), SHOW(syscall(437, dir, "f", &how, 1 << 20));
    unlink("d/new"), unlink("d/f"), unlink("out"), unlink("d/link"), unlink("d/up"), unlink("d/abs"), unlink("d/within"), unlink("d/magic"), rmdir("d/e"), rmdir("d");
    return 0;
}
