// Division and floating point: each exception of x87, SSE and AVX under each mask, and what its handler learns.
// libc: musl
// build: -mno-red-zone
#include "machine.h"
#include <cpuid.h>
static char name[64];
static void divide(void) {
    static const struct { const char *name, *bytes; int len; } forms[] = {
        {"div cl", "\xf6\xf1", 2}, {"div cx", "\x66\xf7\xf1", 3}, {"div ecx", "\xf7\xf1", 2}, {"div rcx", "\x48\xf7\xf1", 3},
        {"idiv cl", "\xf6\xf9", 2}, {"idiv cx", "\x66\xf7\xf9", 3}, {"idiv ecx", "\xf7\xf9", 2}, {"idiv rcx", "\x48\xf7\xf9", 3}, {"div [rdi]", "\xf7\x37", 2}};
    static const unsigned long values[][3] = {{1, 0, 0}, {0, 0, 0}, {~0ul, 1, ~0ul}, {1ul << 63, ~0ul, ~0ul}, {0x80, 0xff, 0}, {100, 7, 0}};
    memset(data, 0, 64);
    for (int f = 0; f < 9; f++)
        for (int v = 0; v < 6; v++) {
            sprintf(name, "%s %d", forms[f].name, v);
            machine_bytes(name, forms[f].bytes, forms[f].len, data, values[v][0], values[v][1], values[v][2]);
        }
}
// Operands that raise each exception: invalid, denormal, divide by zero, overflow, underflow, inexact.
static const struct { const char *name; double a, b; int op; } cases[] = {
    {"0/0", 0, 0, 3}, {"denormal", 4e-320, 1, 0}, {"1/0", 1, 0, 3}, {"overflow", 1e308, 1e308, 2}, {"underflow", 1e-308, 1e-308, 2}, {"inexact", 1, 3, 3}, {"nothing", 1, 2, 0}, {"denormal by 0", 4e-320, 0, 3}};
static void x87(void) {
    static const unsigned char ops[] = {0xc1, 0, 0xc9, 0xf1};
    for (int mask = 0; mask < 64; mask++)
        for (int c = 0; c < 8; c++) {
            // fninit; fldcw [rdi]; fld [rdi+8]; fld [rdi+16]; op st1, st0 (with pop); fwait; fninit
            unsigned char bytes[] = {0xdb, 0xe3, 0xd9, 0x2f, 0xdd, 0x47, 8, 0xdd, 0x47, 16, 0xde, cases[c].op == 0 ? 0xc1 : cases[c].op == 2 ? 0xc9 : 0xf9, 0xdd, 0x5f, 24, 0x9b, 0xdb, 0xe3};
            *(uint16_t *)data = 0x340 | mask, ((double *)data)[1] = cases[c].a, ((double *)data)[2] = cases[c].b;
            sprintf(name, "x87 %s mask %02x", cases[c].name, mask);
            machine_bytes(name, bytes, sizeof bytes, data, 0, 0, 0);
            asm volatile("fninit");
        }
}
static void vectors(int avx) {
    static const unsigned char ops[] = {0x58, 0, 0x59, 0x5e};
    uint32_t normal = 0x1f80;
    for (int mask = 0; mask < 64; mask++)
        for (int c = 0; c < 8; c++)
            for (int packed = 0; packed < 2; packed++) {
                unsigned char sse[] = {0x0f, 0xae, 0x17, 0x0f, 0x28, 0x47, 16, packed ? 0x66 : 0xf2, 0x0f, ops[cases[c].op], 0x47, 32, 0x0f, 0xae, 0x57, 4};
                unsigned char vex[] = {0x0f, 0xae, 0x17, 0xc5, 0xfc, 0x10, 0x47, 32, 0xc5, packed ? 0xfd : 0xff, ops[cases[c].op], 0x47, 64, 0x0f, 0xae, 0x57, 4};
                memset(data, 0, 128);
                ((uint32_t *)data)[0] = mask << 7, ((uint32_t *)data)[1] = normal;
                double *a = (double *)(data + (avx ? 32 : 16)), *b = (double *)(data + (avx ? 64 : 32));
                for (int i = 0; i < (avx ? 4 : 2); i++) a[i] = cases[c].a, b[i] = cases[c].b;
                sprintf(name, "%s %s %s mask %02x", avx ? "avx" : "sse", packed ? "packed" : "scalar", cases[c].name, mask);
                if (avx) machine_bytes(name, vex, sizeof vex, data, 0, 0, 0);
                else machine_bytes(name, sse, sizeof sse, data, 0, 0, 0);
                asm volatile("ldmxcsr %0" ::"m"(normal));
            }
    if (avx) asm volatile("vzeroupper");
}
static void registers(void) {
    memset(data, 0xff, 64);
    CODE("ldmxcsr of ones", "\x0f\xae\x17"), CODE("fxrstor of ones", "\x0f\xae\x0f"), CODE("xrstor of ones", "\x0f\xae\x2f");
    memset(data, 0, 4096);
    // Without fxsave and fxrstor: hosts without hardware virtualization emulate these at any address.
    CODE("xsave misaligned", "\x0f\xae\x67\x08");
    asm volatile("fninit");
}
int main(void) {
    machine_init();
    divide(), x87(), vectors(0);
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && c >> 28 & 1) vectors(1);
    else puts("no AVX");
    registers();
    printf("%d cells\n", cells);
    return 0;
}
