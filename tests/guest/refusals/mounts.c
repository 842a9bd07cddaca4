// Mounting in all its forms is EPERM.
// libc: musl
#include "docker.h"
int main(void) {
    as_in_a_container();
    SHOW(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL)), SHOW(syscall(SYS_umount2, "/tmp", 0)), SHOW(syscall(SYS_pivot_root, "/tmp", "/tmp")), SHOW(syscall(428, AT_FDCWD, "/", 0)), SHOW(syscall(429, 0, "", 0, "", 0)), SHOW(syscall(430, "tmpfs", 0)), SHOW(syscall(431, 0, 0, NULL, NULL, 0)), SHOW(syscall(432, 0, 0, 0)), SHOW(syscall(433, AT_FDCWD, "/", 0)), SHOW(syscall(442, AT_FDCWD, "/", 0, NULL, 0)), SHOW(syscall(SYS_swapon, "/x", 0)), SHOW(syscall(SYS_swapoff, "/x")), SHOW(syscall(SYS_quotactl, 0, NULL, 0, NULL)), SHOW(syscall(443, 0, 0, 0, NULL));
    return 0;
}
