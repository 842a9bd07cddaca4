// Modules, BPF, tracing, keys, io_uring, kexec, reboot, names and clocks of the host are EPERM.
// libc: glibc
#include "docker.h"
int main(void) {
    as_in_a_container();
    SHOW(syscall(SYS_init_module, "", 0, "")), SHOW(syscall(SYS_finit_module, 0, "", 0)), SHOW(syscall(SYS_delete_module, "x", 0)), SHOW(syscall(SYS_bpf, 0, NULL, 0)), SHOW(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)), SHOW(syscall(SYS_add_key, "user", "x", "y", 1, -2)), SHOW(syscall(SYS_request_key, "user", "x", NULL, -2)), SHOW(syscall(SYS_keyctl, 0, -2, 0)), SHOW(syscall(425, 1, NULL)), SHOW(syscall(426, 0, 0, 0, 0, NULL, 0)), SHOW(syscall(427, 0, 0, NULL, 0)), SHOW(syscall(SYS_kexec_load, 0, 0, NULL, 0)), SHOW(syscall(320, 0, 0, 0, "", 0)), SHOW(syscall(SYS_reboot, 0, 0, 0, NULL)), SHOW(syscall(SYS_sethostname, "x", 1)), SHOW(syscall(SYS_setdomainname, "x", 1)), SHOW(syscall(SYS_iopl, 3)), SHOW(syscall(SYS_ioperm, 0, 1, 1)), SHOW(syscall(SYS_acct, NULL)), SHOW(syscall(SYS_vhangup)), SHOW(syscall(SYS_syslog, 3, NULL, 0)), SHOW(syscall(SYS_settimeofday, NULL, NULL)), SHOW(syscall(SYS_clock_settime, 0, &(struct timespec){0})), SHOW(syscall(SYS_lookup_dcookie, 0, NULL, 0)), SHOW(syscall(SYS_fanotify_init, 0, 0)), SHOW(syscall(SYS_open_by_handle_at, 0, NULL, 0)), SHOW(syscall(SYS_userfaultfd, 0));
    return 0;
}
