// Blocked real-time signals come lowest number first, and each number in the order of sending.
#include "check.h"
static int seen[64], values[64], count;
static void note(int number, siginfo_t *info, void *unused) { seen[count] = number, values[count++] = info->si_value.sival_int; }
int main(void) {
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigset_t set;
    sigfillset(&a.sa_mask), sigemptyset(&set);
    for (int i = 0; i < 5; i++) sigaction(SIGRTMIN + i, &a, NULL), sigaddset(&set, SIGRTMIN + i);
    sigaction(SIGUSR1, &a, NULL), sigaddset(&set, SIGUSR1), sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 20; i++) sigqueue(getpid(), SIGRTMIN + (i * 7 + 3) % 5, (union sigval){.sival_int = i});
    for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 100 + i});
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    int fifo = 1;
    for (int i = 1; i < count; i++) fifo &= seen[i] != seen[i - 1] || values[i] > values[i - 1];
    printf("%d signals, in order %d, first value %d:", count, fifo, values[0]);
    for (int i = 0; i < count; i++) printf(" %d", seen[i] == SIGUSR1 ? -1 : seen[i] - SIGRTMIN);
    printf("\n");
    return 0;
}
