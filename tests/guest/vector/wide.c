// AVX and AVX-512 registers, where the CPU has them, survive sleeping and other threads.
// build: -pthread
#include "check.h"
#include <immintrin.h>
#include <pthread.h>
static volatile int stop;
__attribute__((target("avx"))) static void *disturb(void *n) {
    __m256d x = _mm256_set1_pd(1.0);
    while (!stop) {
        x = _mm256_add_pd(x, x);
        __asm__ volatile("" : "+x"(x));
    }
    return n;
}
__attribute__((target("avx"))) static int avx(void) {
    uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
    struct timespec t = {0, 20000000};
    __asm__ volatile("vmovdqu (%0), %%ymm9\n mov $35, %%eax\n mov %2, %%rdi\n xor %%esi, %%esi\n syscall\n vmovdqu %%ymm9, (%1)"
                     : : "r"(in), "r"(out), "r"(&t) : "rax", "rcx", "r11", "rdi", "rsi", "memory", "xmm9");
    return memcmp(in, out, sizeof in) == 0;
}
__attribute__((target("avx512f"))) static int avx512(void) {
    uint64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8] = {0};
    struct timespec t = {0, 20000000};
    __asm__ volatile("vmovdqu64 (%0), %%zmm25\n mov $35, %%eax\n mov %2, %%rdi\n xor %%esi, %%esi\n syscall\n vmovdqu64 %%zmm25, (%1)"
                     : : "r"(in), "r"(out), "r"(&t) : "rax", "rcx", "r11", "rdi", "rsi", "memory");
    return memcmp(in, out, sizeof in) == 0;
}
int main(void) {
    pthread_t t;
    int has_avx = __builtin_cpu_supports("avx"), has_512 = __builtin_cpu_supports("avx512f");
    if (has_avx) pthread_create(&t, NULL, disturb, NULL);
    printf("%s\n", !has_avx || avx() ? "kept" : "LOST");
    printf("%s\n", !has_512 || avx512() ? "kept" : "LOST");
    stop = 1;
    if (has_avx) pthread_join(t, NULL);
    return 0;
}
