// Old ways into the kernel, as Linux has them by default: the vsyscall page runs and is not read, numbers of x32 do not
// exist. And the flags of a program: single steps and the alignment check outlive handlers and calls.
// libc: musl
// build: -mno-red-zone
#include "machine.h"
#include <sys/time.h>
static char name[64];
static void vsyscalls(void) {
    struct timeval now = {0}, old;
    struct timezone zone;
    long (*gettimeofday_page)(void *, void *) = (void *)0xffffffffff600000;
    long (*time_page)(void *) = (void *)0xffffffffff600400, t = 0;
    long (*getcpu_page)(void *, void *, void *) = (void *)0xffffffffff600800;
    unsigned cpu = -1, node = -1;
    SHOW(gettimeofday_page(&now, NULL)), CHECK(labs(now.tv_sec - time(NULL)) < 5);
    SHOW(gettimeofday_page(&now, &zone)), SHOW(zone.tz_minuteswest), SHOW(gettimeofday_page(NULL, NULL));
    CHECK(labs(time_page(NULL) - time(NULL)) < 5), CHECK(labs(time_page(&t) - time(NULL)) < 5 && labs(t - time(NULL)) < 5);
    SHOW(getcpu_page(&cpu, &node, NULL)), CHECK(cpu < 1024), SHOW(node), SHOW(getcpu_page(NULL, NULL, NULL));
    static const long places[] = {1, 7, 9, 0x3ff, 0x401, 0x7ff, 0x801, 0xc00, 0x100, 0xfff};
    for (int i = 0; i < 10; i++) sprintf(name, "vsyscall page + %lx", places[i]), machine_bytes(name, "\xff\xd0", 2, data, 0xffffffffff600000 + places[i], 0, 0);
    // Bad pointers: a signal, as the call itself would have raised.
    unsigned char call[] = {0x48, 0x89, 0xcf, 0x48, 0x31, 0xf6, 0xff, 0xd0};
    machine_bytes("gettimeofday to 8", call, 8, data, 0xffffffffff600000, 8, 0), machine_bytes("time to 8", call, 8, data, 0xffffffffff600400, 8, 0), machine_bytes("getcpu to 8", call, 8, data, 0xffffffffff600800, 8, 0);
    machine_bytes("time to the kernel", call, 8, data, 0xffffffffff600400, 0xffff800000000000, 0), machine_bytes("time with a bad stack", "\x31\xff\x48\x89\xcc\xff\xe0", 7, data, 0xffffffffff600400, 64, 0);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[256];
    while (fgets(line, sizeof line, maps)) if (strstr(line, "vsyscall")) fputs(line, stdout);
    fclose(maps);
}
static long raw(long number) {
    long r;
    asm volatile("syscall" : "=a"(r) : "a"(number), "D"(-1l), "S"(0l), "d"(0l) : "rcx", "r11", "memory");
    return r;
}
static void numbers(void) {
    static const long list[] = {0x40000000, 0x40000001, 0x40000027, 0x40000200, 0x40000208, 0x40000222, 512, 513, 520, 547, 548, 1000, 0x7fffffff, 0x80000000, 0xffffffff, -1, -4095, -4096, 0x100000027, 0x8000000000000027};
    for (int i = 0; i < 20; i++) {
        long r = raw(list[i]);
        cells++, printf("call %lx: %s\n", list[i], r == getpid() ? "its process number" : r < 0 && r > -4096 ? error_name(-r) : "another value");
    }
}
// Calls by int 0x80 with the numbers of i386, and registers that it leaves alone.
static long gate(long number, long a, long b, long c) {
    register long r8 asm("r8") = 8, r9 asm("r9") = 9, r10 asm("r10") = 10, r11 asm("r11") = 11;
    long r, rcx = b;
    asm volatile("int $0x80" : "=a"(r), "+c"(rcx), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r11) : "0"(number), "b"(a), "d"(c) : "memory");
    if (rcx != b || r8 != 8 || r9 != 9 || r10 != 10 || r11 != 11) puts("  another register has changed");
    cells++;
    return r;
}
static void by_gate(void) {
    static char bytes[64], path[] = "by-gate", other[] = "other", here[] = ".";
    static int two[2];
    enter_scratch();
    CHECK(gate(20, 0, 0, 0) == getpid()), CHECK(gate(64, 0, 0, 0) == getppid()), CHECK(gate(224, 0, 0, 0) == getpid());
    CHECK(gate(199, 0, 0, 0) == getuid()), CHECK(gate(200, 0, 0, 0) == getgid()), CHECK(gate(201, 0, 0, 0) == geteuid()), CHECK(gate(202, 0, 0, 0) == getegid());
    SHOW(gate(39, (long)path, 0700, 0)), SHOW(gate(33, (long)path, 0, 0)), SHOW(gate(40, (long)path, 0, 0));
    SHOW(gate(33, (long)path, 0, 0));
    int fd = gate(5, (long)path, O_CREAT | O_RDWR, 0600);
    CHECK(fd > 2);
    SHOW(gate(4, fd, (long)"hello", 5)), SHOW(gate(19, fd, -3, SEEK_END)), SHOW(gate(3, fd, (long)bytes, 9)), puts(bytes);
    SHOW(gate(19, fd, -30, SEEK_CUR)), SHOW(gate(4, fd, 8, 5)), SHOW(gate(118, fd, 0, 0));
    int copy = gate(41, fd, 0, 0);
    CHECK(copy > fd), SHOW(gate(6, copy, 0, 0)), SHOW(gate(6, copy, 0, 0)), gate(6, fd, 0, 0);
    SHOW(gate(38, (long)path, (long)other, 0)), SHOW(gate(10, (long)other, 0, 0)), SHOW(gate(10, (long)other, 0, 0));
    SHOW(gate(42, (long)two, 0, 0)), SHOW(gate(4, two[1], (long)"pipe", 4)), SHOW(gate(3, two[0], (long)bytes, 9));
    SHOW(gate(158, 0, 0, 0)), SHOW(gate(12, (long)here, 0, 0)), SHOW(gate(37, getpid(), 0, 0));
    SHOW(gate(999, 0, 0, 0)), SHOW(gate(-1, 0, 0, 0)), SHOW(gate(0x7fffffff, 0, 0, 0));
    printf("%d\n", gate(0x100000014, 0, 0, 0) == getpid());
}
static volatile int limit = 500, steps, last_code, trapped_flags;
static volatile long first_rip, last_rip;
static void step(int number, siginfo_t *info, void *context) {
    ucontext_t *c = context;
    if (!steps++) first_rip = c->uc_mcontext.gregs[REG_RIP];
    last_rip = c->uc_mcontext.gregs[REG_RIP], last_code = info->si_code, trapped_flags = c->uc_mcontext.gregs[REG_EFL] >> 8 & 1;
    if (steps > limit) c->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}
extern char stepped_from[], stepped_to[];
// Single steps through plain code, a call of the kernel, and a signal that a handler takes.
static void single_steps(void) {
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    long number = SYS_getpid;
    asm volatile("pushfq\norq $0x100, (%%rsp)\npopfq\n.globl stepped_from\nstepped_from: nop\nnop\nxor %%ecx, %%ecx\nsyscall\nnop\nmov %1, %%rcx\n1: dec %%ecx\njnz 1b\nnop\nrep stosb\nnop\nmov %%rsp, %%rax\npushfq\nandq $~0x100, (%%rsp)\npopfq\n.globl stepped_to\nstepped_to: nop\n"
                 : "+a"(number) : "i"(5), "D"(data) : "rcx", "r11", "rdx", "memory", "cc");
    printf("%d steps, code %d, first at %ld, flag %d\n", steps, last_code, first_rip - (long)stepped_from, trapped_flags);
    CHECK(last_rip == (long)stepped_to), cells++;
    steps = 0;
    raise(SIGTRAP);
    printf("raised: %d, code %d\n", steps, last_code), cells++;
}
// Flags that would hurt the kernel if it took them over, while others' turns come and go: the alignment check over 100 ms,
// single steps by the ten thousand.
static void spins(void) {
    steps = 0, limit = 20000;
    asm volatile("pushfq\norq $0x100, (%rsp)\npopfq");
    while (steps <= limit) asm volatile("nop");
    CHECK(steps == limit + 1), cells++;
    for (int i = 0; i < 2; i++) {
        long flag = i == 0 ? 0x40000 : 0x4000, counted = 0;
        asm volatile("pushfq\norq %1, (%%rsp)\npopfq\nrdtsc\nshl $32, %%rdx\nlea (%%rax, %%rdx), %%r8\n1: inc %0\nrdtsc\nshl $32, %%rdx\nadd %%rdx, %%rax\nsub %%r8, %%rax\ncmp $300000000, %%rax\njb 1b\npushq $0x202\npopfq"
                     : "+r"(counted) : "r"(flag) : "rax", "rdx", "r8", "memory", "cc");
        printf("flag %lx: went on %d\n", flag, counted > 0), cells++;
    }
}
static volatile long handler_flags;
static void flags_in_handler(int number) {
    long f;
    asm volatile("pushfq\npop %0" : "=r"(f));
    handler_flags = f;
}
// Flags that a program sets stay over calls and handlers; what a handler begins with.
static void flags(void) {
    signal(SIGUSR1, flags_in_handler);
    static const struct { const char *name; long bits; } list[] = {{"none", 0}, {"AC", 0x40000}, {"ID", 0x200000}, {"DF", 0x400}, {"NT", 0x4000}, {"IOPL", 0x3000}, {"VIF", 0x80000}, {"RF", 0x10000}, {"all the arithmetic", 0x8d5}, {"AC and ID", 0x240000}};
    for (int i = 0; i < 10; i++)
        for (int way = 0; way < 3; way++) {
            long before, after = 0, number = way == 0 ? SYS_getpid : way == 1 ? SYS_tgkill : SYS_sched_yield;
            asm volatile("pushfq\norq %3, (%%rsp)\npopfq\npushfq\npop %1\nsyscall\npushfq\npop %2\npushq $0x202\npopfq\ncld"
                         : "+a"(number), "=&r"(before), "=&r"(after) : "r"(list[i].bits), "D"((long)getpid()), "S"((long)getpid()), "d"((long)SIGUSR1) : "rcx", "r11", "memory", "cc");
            cells++, printf("%s, way %d: before %lx after %lx handler %lx\n", list[i].name, way, before & ~0x8d5, after & ~0x8d5, way == 1 ? handler_flags & ~0x8d5 : 0);
        }
}
int main(void) {
    machine_init();
    vsyscalls(), numbers(), by_gate(), flags(), single_steps(), spins();
    printf("%d cells\n", cells);
    return 0;
}
