// kill, tkill, tgkill, raise, pthread_kill: si_code, who gets it, and errors.
#include "asleep.h"
#include <pthread.h>
static __thread int mine;
static volatile int code, got_by;
static void handler(int number, siginfo_t *info, void *unused) {
    (void)number, (void)unused;
    got_by = mine, code = info->si_code;
    if (info->si_pid != getpid() || info->si_uid != getuid()) printf("WRONG sender\n");
}
static volatile int stop;
static void *body(void *tid) {
    mine = 1;
    *(volatile int *)tid = syscall(SYS_gettid);
    while (!stop) sleep_ms(1);
    return NULL;
}
static void check(const char *how) {
    AWAIT(code != 77);
    printf("%s: code %d by %s\n", how, code, got_by ? "the thread" : "main");
    code = 77;
}
int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    volatile int tid = 0;
    pthread_t t;
    pthread_create(&t, NULL, body, (void *)&tid);
    while (!tid) sleep_ms(1);
    code = 77;
    kill(getpid(), SIGUSR1), check("kill");
    raise(SIGUSR1), check("raise");
    syscall(SYS_tkill, tid, SIGUSR1), check("tkill");
    syscall(SYS_tgkill, getpid(), tid, SIGUSR1), check("tgkill");
    pthread_kill(t, SIGUSR1), check("pthread_kill");
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1), check("kill with main blocked");
    SHOW(syscall(SYS_tgkill, getpid(), 4999999, SIGUSR1)), SHOW(syscall(SYS_tgkill, 4999999, tid, SIGUSR1)), SHOW(syscall(SYS_tgkill, 0, tid, SIGUSR1));
    SHOW(syscall(SYS_tkill, 0, SIGUSR1)), SHOW(syscall(SYS_tkill, -1, SIGUSR1)), SHOW(syscall(SYS_tkill, tid, 99));
    stop = 1, pthread_join(t, NULL);
    return 0;
}
