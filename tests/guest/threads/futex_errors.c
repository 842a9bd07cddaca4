// What futex refuses: misaligned words, bad pointers, bad times, unknown operations, empty bitsets.
#include "check.h"
#include "futexes.h"
static long futex(void *word, int op, long value, void *timeout, void *second, long third) {
    return syscall(SYS_futex, word, op, value, timeout, second, third);
}
int main(void) {
    static uint32_t word = 5;
    struct timespec bad = {0, 1000000000}, negative = {-1, 0}, zero = {0, 0};
    SHOW(futex((char *)&word + 1, FUTEX_WAIT, 5, NULL, NULL, 0));
    SHOW(futex((char *)&word + 2, FUTEX_WAKE, 5, NULL, NULL, 0));
    SHOW(futex(NULL, FUTEX_WAIT, 5, NULL, NULL, 0));
    SHOW(futex(NULL, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    SHOW(futex(NULL, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT, 5, &bad, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT, 5, &negative, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT, 4, &zero, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT, 5, &zero, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT_BITSET, 5, &zero, NULL, 0));
    SHOW(futex(&word, FUTEX_WAKE_BITSET, 5, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT_BITSET, 5, &zero, NULL, 1));
    SHOW(futex(&word, 77, 5, NULL, NULL, 1));
    SHOW(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 4));
    SHOW(futex(&word, FUTEX_CMP_REQUEUE, -1, (void *)1, &word, 5));
    SHOW(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)-1, &word, 5));
    SHOW(futex(&word, FUTEX_REQUEUE, 1, (void *)1, (char *)&word + 1, 5));
    SHOW(futex(&word, FUTEX_WAIT, 5, (void *)8, NULL, 0));
    SHOW(futex(&word, FUTEX_FD, 5, NULL, NULL, 0));
    return 0;
}
