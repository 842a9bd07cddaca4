// Breakpoints of debug registers: what is written and executed stops a tracee at once, wherever it is written from.
#include "trace.h"
#include <stddef.h>
#define REGISTER(index) offsetof(struct user, u_debugreg[index])
static volatile long number = 1, other = 1;
static volatile char bytes[16];
__attribute__((noinline)) static long twice(long value) {
    __asm__ volatile("" ::: "memory");
    return value * 2;
}
static void on_usr1(int signal) { number = 50; }
static void body(void) {
    signal(SIGUSR1, on_usr1);
    for (int i = 0; i < 100; i++) other += i;
    number = 2;
    other = twice(3);
    number = other + 10;
    bytes[3] = 7;
    raise(SIGUSR1);
    twice(4);
    dprintf(1, "the end %ld %ld %d\n", number, other, bytes[3]);
}
static void show_stop(pid_t pid) {
    siginfo_t info;
    int status = next_stop("watched", pid);
    if (!WIFSTOPPED(status)) return;
    NEED(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
    struct user_regs_struct r = registers_of(pid);
    errno = 0;
    printf("signal %d code %d, met %#lx, at twice %d, number %ld, bytes[3] %ld, trap flag %d\n", info.si_signo, info.si_code, ptrace(PTRACE_PEEKUSER, pid, REGISTER(6), 0), r.rip == (unsigned long)twice, ptrace(PTRACE_PEEKDATA, pid, &number, 0), ptrace(PTRACE_PEEKDATA, pid, &bytes[0], 0) >> 24 & 0xff, (r.eflags & 0x100) != 0);
    ptrace(PTRACE_POKEUSER, pid, REGISTER(6), 0);
}
static void go(pid_t pid, int signal) { NEED(ptrace(PTRACE_CONT, pid, 0, signal)), show_stop(pid); }
int main(void) {
    pid_t pid = TRACEE(body());
    errno = 0;
    for (int i = 0; i < 8; i++) printf("register %d: %#lx %s\n", i, ptrace(PTRACE_PEEKUSER, pid, REGISTER(i), 0), error_name(errno)), errno = 0;
    SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(4), 1)), SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(5), 1));
    SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(0), &number)), SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(1), twice)), SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(2), &bytes[3]));
    // Ports are not for programs; a function has no length.
    SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(7), 0x20001)), SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(7), 0x400004));
    // Eight bytes written at 0, executed at 1, one byte written at 2.
    SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(7), 0x1090015)), CHECK(ptrace(PTRACE_PEEKUSER, pid, REGISTER(7), 0) == 0x1090015);
    go(pid, 0), go(pid, 0), go(pid, 0), go(pid, 0), go(pid, 0), go(pid, SIGUSR1);
    // Without them it runs on; what was enabled and is no more does not stop it.
    SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(7), 0));
    to_its_end(pid);
    // Eight bytes of the last of the four.
    pid = TRACEE(number = 9, number = 10);
    SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(3), &number)), SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(7), 0x90000040));
    go(pid, 0), SHOW(ptrace(PTRACE_POKEUSER, pid, REGISTER(7), 0));
    NEED(ptrace(PTRACE_DETACH, pid, 0, 0));
    int status;
    NEED(waitpid(pid, &status, 0)), show_end("left alone", status);
    return 0;
}
