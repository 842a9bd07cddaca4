// Several pending signals at once: which handler runs first, and masks between them.
#include "check.h"
static int order[16], count;
static void note(int number) { order[count++] = number; }
int main(void) {
    struct sigaction action = {.sa_handler = note};
    sigfillset(&action.sa_mask);
    int numbers[] = {SIGHUP, SIGINT, SIGUSR1, SIGSEGV, SIGUSR2, SIGTERM, SIGCHLD};
    sigset_t set, old;
    sigemptyset(&set);
    for (int i = 0; i < 7; i++) sigaction(numbers[i], &action, NULL), sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 6; i >= 0; i--) kill(getpid(), numbers[i]);
    syscall(SYS_tgkill, getpid(), getpid(), SIGTERM);
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < count; i++) printf("%d ", order[i]);
    printf("\n");
    return 0;
}
