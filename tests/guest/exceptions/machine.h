// Runs a few bytes of machine code and says which signal they raised, with everything that its handler learns.
#ifndef MACHINE_H
#define MACHINE_H
#include "check.h"
#include <sys/mman.h>
#include <ucontext.h>

// Where the code is; two pages behind it are never mapped.
static unsigned char *code;
// What RDI, RSI and RBX point to: a page of data, misaligned by `data_offset`.
static unsigned char *data;
static int cells;

struct seen {
    int number, si_code, is_other_stack;
    uint64_t address, trap, error, rip, rflags, cr2;
};
static struct seen seen;
static volatile int times;
unsigned long saved_rsp;
extern char machine_resume[];
long machine_run(void *at, void *rdi, unsigned long rax, unsigned long rcx, unsigned long rdx);

// The code may change every register and the stack, and need not return: the handler continues at machine_resume.
asm(".globl machine_run\nmachine_run:\n"
    "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, saved_rsp(%rip)\n"
    "mov %rdi, %r11\nmov %rsi, %rdi\nmov %rdx, %rax\nmov %r8, %rdx\nmov %rdi, %rsi\nmov %rdi, %rbx\n"
    "call *%r11\n"
    ".globl machine_resume\nmachine_resume:\n"
    "mov saved_rsp(%rip), %rsp\n"
    "push $0x202\npopfq\ncld\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n");

static void machine_handler(int number, siginfo_t *info, void *context) {
    ucontext_t *c = context;
    greg_t *r = c->uc_mcontext.gregs;
    if (times++ == 0)
        seen = (struct seen){number, info->si_code, 0, (uint64_t)info->si_addr, r[REG_TRAPNO], r[REG_ERR], r[REG_RIP], r[REG_EFL], r[REG_CR2]};
    r[REG_RIP] = (greg_t)machine_resume;
    r[REG_EFL] = 0x202;
}

static const char *place(uint64_t at) {
    static char text[4][40];
    static int next;
    char *t = text[next++ & 3];
    if (at >= (uint64_t)code && at < (uint64_t)code + 3 * 4096) sprintf(t, "code+%ld", (long)(at - (uint64_t)code));
    else if (at >= (uint64_t)data - 2 * 4096 && at < (uint64_t)data + 3 * 4096) sprintf(t, "data%+ld", (long)(at - (uint64_t)data));
    else sprintf(t, "%lx", (unsigned long)at);
    return t;
}

static void machine_init(void) {
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = machine_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    for (int i = 0; i < 6; i++) sigaction(numbers[i], &action, NULL);
    code = mmap(NULL, 6 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    data = mmap(NULL, 6 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 2 * 4096;
    mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
    mprotect(data, 4096, PROT_READ | PROT_WRITE);
}

static const char *signal_name(int number) {
    switch (number) {
    case SIGSEGV: return "SEGV";
    case SIGBUS: return "BUS";
    case SIGFPE: return "FPE";
    case SIGILL: return "ILL";
    case SIGTRAP: return "TRAP";
    case SIGSYS: return "SYS";
    }
    return "?";
}

// Runs what is at `at`, with a pointer in RDI, RSI and RBX, and prints what came of it.
static void machine_try(const char *name, void *at, void *pointer, unsigned long rax, unsigned long rcx, unsigned long rdx) {
    times = 0, cells++;
    long r = machine_run(at, pointer, rax, rcx, rdx);
    if (!times) printf("%s: no signal\n", name);
    else
        printf("%s: %s code %d address %s trap %ld error %lx rip %s cr2 %s%s\n", name, signal_name(seen.number), seen.si_code, place(seen.address), (long)seen.trap, (long)seen.error,
               place(seen.rip), seen.trap == 14 ? place(seen.cr2) : "-", times > 1 ? ", and more" : "");
    (void)r;
}

// Puts code before a `ret` at the start of the page, and runs it.
static void machine_bytes(const char *name, const void *bytes, size_t len, void *pointer, unsigned long rax, unsigned long rcx, unsigned long rdx) {
    memset(code, 0x90, 64);
    memcpy(code, bytes, len);
    code[len] = 0xc3;
    machine_try(name, code, pointer, rax, rcx, rdx);
}
// Runs code that some CPUs do not know and others forbid: SIGILL or SIGSEGV, at its address.
static void machine_refused(const char *name, const void *bytes, size_t len) {
    memset(code, 0x90, 64), memcpy(code, bytes, len), code[len] = 0xc3, times = 0, cells++;
    machine_run(code, data, 0, 0, 0);
    printf("%s: %s\n", name, times == 1 && (seen.number == SIGILL || seen.number == SIGSEGV) && seen.rip == (uint64_t)code ? "refused" : "NOT REFUSED");
}
#define REFUSED(name, bytes) machine_refused(name, bytes, sizeof(bytes) - 1)
#define CODE(name, bytes) machine_bytes(name, bytes, sizeof(bytes) - 1, data, 0, 0, 0)
#endif
