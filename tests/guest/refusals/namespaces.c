// Namespaces and memory nodes are EPERM, ancient calls too.
// libc: musl
#include "docker.h"
int main(void) {
    as_in_a_container();
    SHOW(syscall(SYS_unshare, 0x10000000)), SHOW(syscall(SYS_setns, 0, 0)), SHOW(syscall(SYS_mbind, NULL, 0, 0, NULL, 0, 0)), SHOW(syscall(SYS_set_mempolicy, 0, NULL, 0)), SHOW(syscall(SYS_uselib, "x")), SHOW(syscall(SYS_ustat, 0, NULL)), SHOW(syscall(SYS_sysfs, 3)), SHOW(syscall(450, 0, 0, 0, 0)), SHOW(syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0)), SHOW(syscall(SYS_migrate_pages, 0, 0, NULL, NULL)), SHOW(syscall(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0));
    return 0;
}
