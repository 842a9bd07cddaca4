// What fork passes on and what it does not: ids, directory, umask, limits, handlers, mask, pending signals, alarms.
// libc: glibc
#include "children.h"
#include <sys/resource.h>
static void handler(int number) { printf("handler %d\n", number); }
int main(void) {
    enter_scratch();
    umask(0123);
    struct rlimit limit = {50, 60};
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGUSR1, handler);
    sigset_t set, pending;
    sigemptyset(&set), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR2);
    alarm(1000);
    pid_t parent = getpid(), group = getpgrp(), session = getsid(0);
    IN_CHILD("child", CHECK(getppid() == parent); CHECK(getpid() != parent); CHECK(getpgrp() == group); CHECK(getsid(0) == session);
             printf("umask %o\n", umask(0)); getrlimit(RLIMIT_NOFILE, &limit); printf("%d %d\n", (int)limit.rlim_cur, (int)limit.rlim_max);
             raise(SIGUSR1); sigpending(&pending); SHOW(sigismember(&pending, SIGUSR2)); sigprocmask(0, NULL, &set);
             SHOW(sigismember(&set, SIGHUP)); SHOW(alarm(0)); char here[64]; CHECK(getcwd(here, 64) && !strcmp(here, scratch_path));
             chdir("/"); umask(0));
    sigpending(&pending);
    SHOW(sigismember(&pending, SIGUSR2));
    CHECK(alarm(0) > 900);
    char here[64];
    CHECK(getcwd(here, 64) && !strcmp(here, scratch_path));
    printf("umask %o\n", umask(0));
    return 0;
}
