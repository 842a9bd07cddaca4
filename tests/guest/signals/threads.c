// A signal for a thread goes to that thread, one for the process to a thread that lets it in.
// build: -pthread
#include "asleep.h"
#include <pthread.h>
static __thread int me;
static volatile int where;
static pid_t reading[3];
static int p[2];
static void note(int number) { (void)number, where = me; }
static void *wait_for_it(void *n) {
    me = (int)(long)n;
    char c;
    announce(&reading[me - 1]);
    while (read(p[0], &c, 1) == -1 && errno == EINTR) {
    }
    return NULL;
}
int main(void) {
    struct sigaction action = {.sa_handler = note};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    NEED(pipe(p));
    pthread_t t[3];
    for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, wait_for_it, (void *)(i + 1));
    for (int i = 0; i < 3; i++) await_announced(&reading[i]);
    for (int i = 0; i < 3; i++) {
        where = -1;
        SHOW(pthread_kill(t[i], SIGUSR1));
        while (where == -1) sleep_ms(1);
        printf("%d\n", where);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    where = -1;
    kill(getpid(), SIGUSR2);
    while (where == -1) sleep_ms(1);
    CHECK(where > 0);
    SHOW(syscall(SYS_tgkill, getpid(), 4999999, SIGUSR1));
    SHOW(syscall(SYS_tgkill, -1, getpid(), SIGUSR1));
    write(p[1], "xxx", 3);
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    return 0;
}
