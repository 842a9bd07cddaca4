// makecontext and swapcontext: coroutines that take turns, each with a stack and a mask of its own.
// libc: glibc
#include "check.h"
#include <ucontext.h>
static ucontext_t home, all[3];
static char stacks[3][65536];
static void body(int number) {
    double kept = number + 0.5;
    for (int round = 0; round < 4; round++) {
        printf("coroutine %d round %d keeps %.1f\n", number, round, kept);
        kept *= 2, swapcontext(&all[number], number == 2 ? &home : &all[number + 1]);
    }
    printf("coroutine %d ends\n", number);
}
int main(void) {
    for (int i = 0; i < 3; i++) getcontext(&all[i]), all[i].uc_stack.ss_sp = stacks[i], all[i].uc_stack.ss_size = sizeof stacks[i], all[i].uc_link = i == 2 ? &home : &all[i + 1], makecontext(&all[i], (void (*)(void))body, 1, i);
    sigaddset(&all[1].uc_sigmask, SIGUSR1);
    for (int round = 0; round < 5; round++) printf("round %d\n", round), swapcontext(&home, &all[0]);
    return 0;
}
