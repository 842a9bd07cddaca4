// Handlers nest when their masks allow it, and come one after the other when they do not.
#include "check.h"
static int depth;
static void handler(int number) {
    printf("%*senter %d\n", 2 * depth++, "", number == SIGUSR1 ? 1 : 2);
    if (number == SIGUSR1) raise(SIGUSR2);
    printf("%*sleave %d\n", 2 * --depth, "", number == SIGUSR1 ? 1 : 2);
}
int main(void) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR1);
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return 0;
}
