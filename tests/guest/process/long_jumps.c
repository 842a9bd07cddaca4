// sigsetjmp and siglongjmp: values, nesting, masks kept or not, out of handlers.
#include "check.h"
#include <setjmp.h>
static sigjmp_buf with, without;
static void out(int number) { siglongjmp(number == SIGUSR1 ? with : without, number); }
static int blocked(int number) {
    sigset_t set;
    return sigprocmask(SIG_SETMASK, NULL, &set), sigismember(&set, number);
}
static void deep(jmp_buf to, int depth) {
    volatile char room[500];
    room[0] = depth;
    if (depth) deep(to, depth - 1);
    else longjmp(to, 0);
    printf("never %d\n", room[0]);
}
int main(void) {
    volatile int count = 0;
    signal(SIGUSR1, out), signal(SIGUSR2, out);
    int value = sigsetjmp(with, 1);
    if (!value) raise(SIGUSR1);
    printf("%d, blocked %d\n", value == SIGUSR1, blocked(SIGUSR1));
    value = sigsetjmp(without, 0);
    if (!value) raise(SIGUSR2);
    printf("%d, blocked %d\n", value == SIGUSR2, blocked(SIGUSR2));
    jmp_buf back;
    if (setjmp(back) == 0) deep(back, 100);
    else printf("back with 1\n");
    if (setjmp(back) < 5) longjmp(back, ++count);
    printf("%d rounds\n", count);
    return 0;
}
