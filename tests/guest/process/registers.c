// A system call changes rax, rcx and r11 and nothing else.
#include "check.h"
int main(void) {
    uint64_t out[12];
    __asm__ volatile(
        "push %%rbp\n push %%rbx\n push %[out]\n"
        "mov $0x1111, %%rbx\n mov $0x2222, %%rdi\n mov $0x3333, %%rsi\n mov $0x4444, %%rdx\n"
        "mov $0x5555, %%r8\n mov $0x6666, %%r9\n mov $0x7777, %%r10\n mov $0x8888, %%r12\n"
        "mov $0x9999, %%r13\n mov $0xaaaa, %%r14\n mov $0xbbbb, %%r15\n mov $0xcccc, %%rbp\n"
        "mov $39, %%eax\n syscall\n"
        "mov (%%rsp), %%rax\n"
        "mov %%rbx, 0(%%rax)\n mov %%rdi, 8(%%rax)\n mov %%rsi, 16(%%rax)\n mov %%rdx, 24(%%rax)\n"
        "mov %%r8, 32(%%rax)\n mov %%r9, 40(%%rax)\n mov %%r10, 48(%%rax)\n mov %%r12, 56(%%rax)\n"
        "mov %%r13, 64(%%rax)\n mov %%r14, 72(%%rax)\n mov %%r15, 80(%%rax)\n mov %%rbp, 88(%%rax)\n"
        "pop %%rax\n pop %%rbx\n pop %%rbp\n"
        :
        : [out] "a"(out)
        : "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
    for (int i = 0; i < 12; i++) printf("%lx\n", (unsigned long)out[i]);
    uint64_t flags;
    __asm__ volatile("std\n mov $39, %%eax\n syscall\n pushfq\n cld\n pop %0" : "=r"(flags) : : "rax", "rcx", "r11", "memory");
    CHECK(flags & 0x400);
    return 0;
}
