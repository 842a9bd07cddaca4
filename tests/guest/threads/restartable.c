// rseq: registered once, again EBUSY, wrong sizes and signatures; the area names the CPU.
#include "check.h"
struct area { uint32_t start, cpu; uint64_t cs; uint32_t flags, node, mm; char pad[4]; } __attribute__((aligned(32)));
static struct area area = {.cpu = -1};
int main(void) {
    long first = syscall(SYS_rseq, &area, 32, 0, 0x12345678);
    int taken = first == -1; // by the C library
    if (!taken) {
        CHECK(area.cpu == area.start && area.cpu < 4096);
        SHOW(syscall(SYS_rseq, &area, 32, 0, 0x12345678)), SHOW(syscall(SYS_rseq, &area, 32, 0, 1)), SHOW(syscall(SYS_rseq, &area, 24, 1, 0x12345678));
        SHOW(syscall(SYS_rseq, &area, 32, 1, 1)), SHOW(syscall(SYS_rseq, &area, 32, 1, 0x12345678)), SHOW((int)area.cpu);
        SHOW(syscall(SYS_rseq, &area, 32, 1, 0x12345678));
    }
    SHOW(syscall(SYS_rseq, (char *)&area + 1, 32, 0, 0x12345678)), SHOW(syscall(SYS_rseq, &area, 16, 0, 0x12345678));
    SHOW(syscall(SYS_rseq, &area, 32, 7, 0x12345678));
    return 0;
}
