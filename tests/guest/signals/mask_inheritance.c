// Masks: per thread, inherited by pthread_create, given to handlers, restored after them, kept by siglongjmp.
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
static sigjmp_buf back;
static int blocked(int number) {
    sigset_t now;
    pthread_sigmask(0, NULL, &now);
    return sigismember(&now, number);
}
static void *body(void *unused) {
    SHOW(blocked(SIGUSR1));
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    return unused;
}
static void handler(int number) {
    printf("in handler: usr1 %d, usr2 %d, term %d\n", blocked(SIGUSR1), blocked(SIGUSR2), blocked(SIGTERM));
    if (number == SIGUSR2) siglongjmp(back, 1);
}
int main(void) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_t t;
    pthread_create(&t, NULL, body, NULL), pthread_join(t, NULL);
    SHOW(blocked(SIGHUP)), SHOW(blocked(SIGUSR1));
    struct sigaction action = {.sa_handler = handler};
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGUSR2, &action, NULL), sigaction(SIGHUP, &action, NULL);
    if (sigsetjmp(back, 1) == 0) raise(SIGUSR2);
    printf("after siglongjmp: usr1 %d, usr2 %d, term %d\n", blocked(SIGUSR1), blocked(SIGUSR2), blocked(SIGTERM));
    raise(SIGHUP);
    printf("after return: hup %d, term %d\n", blocked(SIGHUP), blocked(SIGTERM));
    sigfillset(&set), sigprocmask(SIG_SETMASK, &set, NULL);
    SHOW(blocked(SIGKILL)), SHOW(blocked(SIGSTOP)), SHOW(blocked(SIGTERM));
    return 0;
}
