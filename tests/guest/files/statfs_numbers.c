// statfs and statvfs: kinds of file systems by place, sane numbers, errors.
// libc: glibc
#include "check.h"
#include <sys/statvfs.h>
#include <sys/vfs.h>
int main(void) {
    struct statfs s;
    struct statvfs v;
    SHOW(statfs("/proc", &s)), CHECK(s.f_type == 0x9fa0), SHOW(statfs("/dev/shm", &s)), CHECK(s.f_type == 0x01021994), SHOW(statfs("/sys", &s)), CHECK(s.f_type == 0x62656572), SHOW(statfs("/tmp", &s)), CHECK(s.f_bsize >= 512 && s.f_bfree <= s.f_blocks), SHOW(s.f_namelen), SHOW(statvfs("/tmp", &v)), CHECK(v.f_frsize > 0), SHOW(statfs("/none", &s)), SHOW(fstatfs(99, &s)), SHOW(syscall(SYS_statfs, "/", 8)), SHOW(statfs("", &s));
    int p[2];
    pipe(p), SHOW(fstatfs(p[0], &s)), CHECK(s.f_type == 0x50495045);
    return 0;
}
