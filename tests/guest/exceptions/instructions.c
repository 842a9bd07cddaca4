// Instructions that a program may not execute, or that are not there: each raises its signal, and the program goes on.
// libc: musl
// build: -mno-red-zone
#include "machine.h"
static void interrupts(void) {
    char name[32];
    for (int n = 0; n < 256; n++) {
        unsigned char bytes[] = {0xcd, n};
        if (n == 0x80) continue;
        // Without hardware virtualization these call the hypervisor from every ring: not an answer of the machine's, but its
        // end neither.
        if (n == 23 || n == 25 || n == 26) {
            memcpy(code, "\xcd\x17\xc3", 3), code[1] = n, cells++;
            machine_run(code, data, 0, 0, 0);
            continue;
        }
        sprintf(name, "int %d", n);
        // Registers as a call of the machine's own gates might have them, or not.
        machine_bytes(name, bytes, 2, data, 0, 0, 0);
        machine_bytes(name, bytes, 2, data, 0x1000, 1, 2);
        machine_bytes(name, bytes, 2, data, -1ul, -1ul, -1ul);
    }
    CODE("int3", "\xcc"), CODE("into", "\xce"), CODE("icebp", "\xf1");
    CODE("lock int3", "\xf0\xcc"), CODE("rep int 4", "\xf3\xcd\x04"), CODE("rex int 4", "\x48\xcd\x04"), CODE("rex int 33", "\x48\xcd\x21");
}
// On Intel's CPUs 64-bit programs can execute SYSENTER as well, and Linux then goes on in 32-bit code for ever.
static int is_of_intel(void) {
    unsigned a = 0, b, c, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return b == 0x756e6547;
}
static void undefined(void) {
    CODE("ud0", "\x0f\xff\xc0"), CODE("ud1", "\x0f\xb9\xc0"), CODE("ud2", "\x0f\x0b");
    CODE("lock nop", "\xf0\x90\x90"), CODE("lock mov", "\xf0\x89\x07"), CODE("push es", "\x06"), CODE("pop es", "\x07"), CODE("push cs", "\x0e");
    CODE("push ss", "\x16"), CODE("pop ss", "\x17"), CODE("push ds", "\x1e"), CODE("pop ds", "\x1f"), CODE("daa", "\x27"), CODE("das", "\x2f");
    CODE("aaa", "\x37"), CODE("aas", "\x3f"), CODE("pusha", "\x60"), CODE("popa", "\x61"), CODE("bound", "\x62\x07"), CODE("call far", "\x9a\0\0\0\0\0\0");
    CODE("jmp far", "\xea\0\0\0\0\0\0"), CODE("les", "\xc4\x07"), CODE("salc", "\xd6"), CODE("aam", "\xd4\x0a"), CODE("aad", "\xd5\x0a"), CODE("arpl 82", "\x82\xc0\x01");
    if (!is_of_intel()) CODE("sysenter", "\x0f\x34");
    CODE("rsm", "\x0f\xaa"), CODE("getsec", "\x0f\x37");
    CODE("cmpxchg8b reg", "\x0f\xc7\xc8"), CODE("mov cr1", "\x0f\x20\xc8"), CODE("mov cr5", "\x0f\x20\xe8"), CODE("mov dr4", "\x0f\x21\xe0");
    CODE("mov cs", "\x8e\xc8"), CODE("mov sreg 6", "\x8e\xf0"), CODE("long", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90");
    CODE("vmlaunch", "\x0f\x01\xc2"), CODE("vmresume", "\x0f\x01\xc3"), CODE("vmxoff", "\x0f\x01\xc4"), CODE("vmxon", "\xf3\x0f\xc7\x37");
    CODE("vmptrld", "\x0f\xc7\x37"), CODE("vmread", "\x0f\x78\xc0"), CODE("vmwrite", "\x0f\x79\xc0");
    CODE("encls", "\x0f\x01\xcf"), CODE("monitor", "\x0f\x01\xc8"), CODE("mwait", "\x0f\x01\xc9");
}
static void privileged(void) {
    CODE("hlt", "\xf4"), CODE("cli", "\xfa"), CODE("sti", "\xfb"), CODE("clts", "\x0f\x06"), CODE("invd", "\x0f\x08"), CODE("wbinvd", "\x0f\x09"), CODE("wbnoinvd", "\xf3\x0f\x09");
    CODE("invlpg", "\x0f\x01\x3f"), CODE("swapgs", "\x0f\x01\xf8"), CODE("sysret", "\x0f\x07"), CODE("sysretq", "\x48\x0f\x07"), CODE("sysexit", "\x0f\x35");
    CODE("rdmsr", "\x0f\x32"), CODE("wrmsr", "\x0f\x30"), CODE("xsetbv", "\x0f\x01\xd1");
    machine_bytes("rdmsr efer", "\x0f\x32", 2, data, 0, 0xc0000080, 0), machine_bytes("wrmsr efer", "\x0f\x30", 2, data, 0, 0xc0000080, 0);
    machine_bytes("rdmsr pvm", "\x0f\x32", 2, data, 0, 0x4b564df0, 0), machine_bytes("wrmsr lstar", "\x0f\x30", 2, data, 0, 0xc0000082, 0);
    CODE("lgdt", "\x0f\x01\x17"), CODE("lidt", "\x0f\x01\x1f"), CODE("lldt", "\x0f\x00\x17"), CODE("ltr", "\x0f\x00\x1f"), CODE("lmsw", "\x0f\x01\x37");
    static const int control[] = {0, 2, 3, 4, 8};
    char name[32];
    for (int i = 0; i < 5; i++)
        for (int write = 0; write < 2; write++) {
            int n = control[i];
            unsigned char bytes[] = {0x44, 0x0f, write ? 0x22 : 0x20, 0xc0 | (n & 7) << 3};
            sprintf(name, "%s cr%d", write ? "write" : "read", n);
            machine_bytes(name, bytes + (n < 8), n < 8 ? 3 : 4, data, 0, 0, 0);
        }
    for (int n = 0; n < 8; n++)
        for (int write = 0; write < 2; write++) {
            unsigned char bytes[] = {0x0f, write ? 0x23 : 0x21, 0xc0 | n << 3};
            sprintf(name, "%s dr%d", write ? "write" : "read", n);
            if (n != 4 && n != 5) machine_bytes(name, bytes, 3, data, 0, 0, 0);
        }
    // Of one vendor's CPUs alone, so that a host whose ring 0 is emulated may answer as the other's.
    REFUSED("vmrun", "\x0f\x01\xd8"), REFUSED("vmload", "\x0f\x01\xda"), REFUSED("vmsave", "\x0f\x01\xdb"), REFUSED("stgi", "\x0f\x01\xdc"), REFUSED("clgi", "\x0f\x01\xdd"), REFUSED("skinit", "\x0f\x01\xde"), REFUSED("invlpga", "\x0f\x01\xdf"), REFUSED("enclu", "\x0f\x01\xd7");
    CODE("rdpmc", "\x0f\x33");
}
// Ports of every kind; 0x500 to 0x507 hold the machine's own doorbells and are not asked for.
static void ports(void) {
    static const struct { const char *name, *bytes; int len; } forms[] = {{"in al", "\xec", 1}, {"in ax", "\x66\xed", 2}, {"in eax", "\xed", 1}, {"out al", "\xee", 1}, {"out ax", "\x66\xef", 2}, {"out eax", "\xef", 1}, {"insb", "\x6c", 1}, {"insd", "\x6d", 1}, {"outsb", "\x6e", 1}, {"outsd", "\x6f", 1}, {"rep insb", "\xf3\x6c", 2}, {"rep outsd", "\xf3\x6f", 2}};
    static const int numbers[] = {0, 1, 0x20, 0x60, 0x64, 0x80, 0xcf8, 0x3f8, 0x4f8, 0x4f0, 0x508, 0x510, 0x1000, 0x8000, 0xffff};
    char name[40];
    for (int f = 0; f < 12; f++)
        for (int n = 0; n < 15; n++) {
            sprintf(name, "%s port %x", forms[f].name, numbers[n]);
            machine_bytes(name, forms[f].bytes, forms[f].len, data, 0, 1, numbers[n]);
        }
    CODE("in al, 80h", "\xe4\x80"), CODE("in eax, 80h", "\xe5\x80"), CODE("out 80h, al", "\xe6\x80"), CODE("out 80h, eax", "\xe7\x80");
}
// Readable by programs, unless the CPU refuses it (UMIP) and Linux answers itself. Where the tables are differs: hosts
// without hardware virtualization show the machine's own.
static void tables(void) {
    static const struct { const char *name, *bytes; int len; } forms[] = {{"sgdt", "\x0f\x01\x07", 3}, {"sidt", "\x0f\x01\x0f", 3}, {"smsw", "\x0f\x01\x27", 3}, {"sldt", "\x0f\x00\x07", 3}, {"str", "\x0f\x00\x0f", 3}, {"smsw eax", "\x0f\x01\xe0", 3}, {"sldt eax", "\x0f\x00\xc0", 3}, {"str eax", "\x0f\x00\xc8", 3}, {"smsw rax", "\x48\x0f\x01\xe0", 4}, {"smsw ax", "\x66\x0f\x01\xe0", 4}, {"sgdt disp8", "\x0f\x01\x47\x10", 4}, {"sgdt sib", "\x0f\x01\x04\x0f", 4}, {"sidt rip", "\x0f\x01\x0d\x20\0\0\0", 7}, {"str r9", "\x41\x0f\x00\xc9", 4}};
    for (int f = 0; f < 14; f++) {
        memset(data, 0xee, 64);
        machine_bytes(forms[f].name, forms[f].bytes, forms[f].len, data, 0, 0, 0);
    }
}
static void segments(void) {
    static const char *const names[] = {"es", "cs", "ss", "ds"};
    // Without 0x23, which is for 32-bit code, and without selectors of a local table: a machine has neither.
    static const int selectors[] = {0, 1, 3, 8, 0xb, 0x10, 0x18, 0x2b, 0x33, 0x3b, 0x40, 0x4b, 0x80, 0xff8};
    char name[40];
    for (int s = 0; s < 4; s++)
        for (int n = 0; n < 14; n++) {
            if (s == 1) continue;
            // Back to what it was, whatever came of it.
            unsigned char bytes[] = {0x8c, 0xc0 | s << 3 | 2, 0x8e, 0xc0 | s << 3, 0x8e, 0xc0 | s << 3 | 2};
            sprintf(name, "mov %s, %x", names[s], selectors[n]);
            machine_bytes(name, bytes, 6, data, selectors[n], 0, 0);
        }
    CODE("far return to 0", "\x6a\x00\x6a\x00\x48\xcb"), CODE("iret to 0", "\x6a\x00\x6a\x00\x6a\x00\x6a\x00\x6a\x00\x48\xcf");
}
int main(void) {
    machine_init();
    interrupts(), undefined(), privileged(), ports(), tables(), segments();
    printf("%d cells\n", cells);
    return 0;
}
