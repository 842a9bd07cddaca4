// Calls that ask for privileges, as an ordinary user.
// libc: glibc
#include "check.h"
#include <sys/resource.h>
#include <sys/timex.h>
int main(void) {
    // It may have been started with any nice value.
    setpriority(PRIO_PROCESS, 0, 5);
    setresgid(65534, 65534, 65534), setresuid(65534, 65534, 65534);
    struct timex t = {.modes = ADJ_FREQUENCY};
    struct rlimit more = {1 << 21, 1 << 21};
    SHOW(chroot("/")), SHOW(syscall(SYS_settimeofday, &(struct timespec){1, 0}, NULL)), SHOW(adjtimex(&t)), SHOW(setrlimit(RLIMIT_NOFILE, &more)), SHOW(mknod("/tmp/guest-device", S_IFBLK | 0600, 0x800)), SHOW(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL)), SHOW(sethostname("x", 1)), SHOW(setuid(0)), SHOW(setgid(0)), SHOW(chown("/", 1, 1)), SHOW(chmod("/", 0777)), SHOW(open("/etc/nothing-here", O_CREAT | O_WRONLY, 0600)), SHOW(mkdir("/nothing-here", 0700)), SHOW(syscall(SYS_pivot_root, "/", "/")), SHOW(syscall(SYS_reboot, 1, 2, 3, NULL)), SHOW(nice(-5)), SHOW(syscall(SYS_setpriority, 0, 0, -1));
    return 0;
}
