// Stops at calls: what registers show there, and what a tracer makes of a call.
#include "trace.h"
struct call_info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t ip, sp, values[8];
};
static void show_call(pid_t pid) {
    struct call_info info = {0};
    struct user_regs_struct r = registers_of(pid);
    long size = ptrace(0x420e, pid, sizeof info, &info);
    printf("number %lld rax %lld; info of %ld bytes: %d %#x", (long long)r.orig_rax, (long long)r.rax, size, info.op, info.arch);
    if (info.op == 1) printf(" %ld(%d)", (long)info.values[0], (int)info.values[1]);
    if (info.op == 2) printf(" = %ld %d", (long)info.values[0], *(uint8_t *)&info.values[1]);
    printf("; %d %d\n", info.ip == r.rip, info.sp == r.rsp);
}
static void body(void) {
    long a = syscall(SYS_getpgid, -1), b = syscall(SYS_write, 1, "tracee\n", 7), c = syscall(SYS_close, 77), d = errno;
    long e = syscall(SYS_lseek, -1, 5, 0), f = errno, g = syscall(SYS_umask, 022);
    dprintf(1, "%ld %ld %ld %s %ld %s %lo\n", a, b, c, error_name(d), e, error_name(f), g);
}
int main(void) {
    umask(077);
    pid_t pid = TRACEE(body());
    SHOW(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
    for (int stop = 0; stop < 10; stop++) {
        NEED(ptrace(PTRACE_SYSCALL, pid, 0, 0));
        next_stop("call", pid);
        show_call(pid);
        struct user_regs_struct r = registers_of(pid);
        siginfo_t info;
        NEED(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
        printf("info %d %#x %d\n", info.si_signo, info.si_code, info.si_pid == pid);
        // The close fails as the tracer wants, lseek is not made at all, umask gets another argument.
        if (r.orig_rax == SYS_close && stop % 2) r.rax = -EXDEV, NEED(ptrace(PTRACE_SETREGS, pid, 0, &r));
        if (r.orig_rax == SYS_lseek && stop % 2 == 0) r.orig_rax = -1, NEED(ptrace(PTRACE_SETREGS, pid, 0, &r));
        if (r.orig_rax == SYS_umask && stop % 2 == 0) r.rdi = 07, NEED(ptrace(PTRACE_SETREGS, pid, 0, &r));
    }
    SHOW(ptrace(PTRACE_SETOPTIONS, pid, 0, 0));
    NEED(ptrace(PTRACE_SYSCALL, pid, 0, 0));
    next_stop("without the bit", pid);
    show_call(pid);
    to_its_end(pid);
    return 0;
}
