// Forty megabytes are written by both sides after fork; each keeps its own.
// libc: glibc
#include "children.h"
#include <sys/mman.h>
int main(void) {
    size_t size = 40 << 20;
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < size; i += 4096) bytes[i] = i >> 12;
    IN_CHILD("child", long wrong = 0; for (size_t i = 0; i < size; i += 4096) { wrong += bytes[i] != (unsigned char)(i >> 12); bytes[i] = 1; }
             SHOW(wrong));
    long wrong = 0;
    for (size_t i = 0; i < size; i += 4096) wrong += bytes[i] != (unsigned char)(i >> 12);
    SHOW(wrong);
    return 0;
}
