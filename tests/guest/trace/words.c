// Words of memory and registers, sets of registers, breakpoints and single steps.
#include "trace.h"
#include <stddef.h>
static volatile long number = 1111;
static const long constant = 2222;
__attribute__((noinline)) static long twice(long value) {
    __asm__ volatile("" ::: "memory");
    return value * 2;
}
static void body(void) {
    long read_only = *(volatile const long *)&constant;
    dprintf(1, "%ld %ld %ld\n", twice(number), read_only, twice(4));
}
int main(void) {
    pid_t pid = TRACEE(body());
    errno = 0;
    SHOW(ptrace(PTRACE_PEEKDATA, pid, &number, 0)), SHOW(ptrace(PTRACE_PEEKTEXT, pid, &constant, 0));
    SHOW(ptrace(PTRACE_POKEDATA, pid, &number, 3333)), SHOW(ptrace(PTRACE_POKETEXT, pid, &constant, 4444));
    CHECK(number == 1111 && constant == 2222);
    SHOW(ptrace(PTRACE_PEEKDATA, pid, 8, 0)), SHOW(ptrace(PTRACE_POKEDATA, pid, 8, 0));
    SHOW(ptrace(PTRACE_PEEKUSER, pid, 3, 0)), SHOW(ptrace(PTRACE_PEEKUSER, pid, 4096, 0));
    SHOW(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[7]), 0));
    long code = ptrace(PTRACE_PEEKTEXT, pid, twice, 0);
    SHOW(ptrace(PTRACE_POKETEXT, pid, twice, (code & ~0xffL) | 0xcc));
    NEED(ptrace(PTRACE_CONT, pid, 0, 0));
    next_stop("breakpoint", pid);
    siginfo_t info;
    NEED(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
    struct user_regs_struct r = registers_of(pid);
    printf("signal %d code %d behind it %d argument %lld\n", info.si_signo, info.si_code, r.rip == (unsigned long)twice + 1, (long long)r.rdi);
    CHECK(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0) == (long)r.rip);
    SHOW((long)r.orig_rax), SHOW(r.cs), SHOW(r.ss), CHECK(r.fs_base != 0);
    r.rip -= 1, r.rdi = 50;
    SHOW(ptrace(PTRACE_SETREGS, pid, 0, &r)), SHOW(ptrace(PTRACE_POKETEXT, pid, twice, code));
    for (int i = 0; i < 3; i++) {
        SHOW(ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
        next_stop("step", pid);
        NEED(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
        struct user_regs_struct now = registers_of(pid);
        printf("signal %d code %d moved %d trap flag %d\n", info.si_signo, info.si_code, now.rip != r.rip, (now.eflags & 0x100) != 0);
        r = now;
    }
    struct user_regs_struct set;
    struct iovec vector = {&set, sizeof set};
    SHOW(ptrace(PTRACE_GETREGSET, pid, 1, &vector)), SHOW(vector.iov_len), CHECK(memcmp(&set, &r, sizeof r) == 0);
    vector.iov_len = 16;
    SHOW(ptrace(PTRACE_GETREGSET, pid, 1, &vector)), SHOW(vector.iov_len);
    vector.iov_len = 5;
    SHOW(ptrace(PTRACE_GETREGSET, pid, 1, &vector)), SHOW(ptrace(PTRACE_GETREGSET, pid, 0x999, &vector));
    static char wide[16384];
    vector = (struct iovec){wide, sizeof wide};
    SHOW(ptrace(PTRACE_GETREGSET, pid, 0x202, &vector)), CHECK(vector.iov_len > 576), CHECK((*(uint64_t *)(wide + 464) & 3) == 3);
    struct user_fpregs_struct floating;
    SHOW(ptrace(PTRACE_GETFPREGS, pid, 0, &floating)), printf("%#x %#x\n", floating.cwd, floating.mxcsr);
    to_its_end(pid);
    return 0;
}
