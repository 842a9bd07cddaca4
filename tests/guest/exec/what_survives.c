// execve keeps ids, directory, umask, mask, ignored and pending signals, alarms; handlers, mappings and timers go.
// libc: musl
#include "children.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
static void handler(int number) { (void)number; }
int main(int argc, char **argv) {
    if (argc > 1) {
        struct sigaction now;
        sigset_t set;
        sigaction(SIGUSR1, NULL, &now), CHECK(now.sa_handler == SIG_DFL);
        sigaction(SIGUSR2, NULL, &now), CHECK(now.sa_handler == SIG_IGN);
        sigprocmask(0, NULL, &set), SHOW(sigismember(&set, SIGTERM));
        sigpending(&set), SHOW(sigismember(&set, SIGTERM));
        printf("umask %o\n", umask(0));
        CHECK(alarm(0) > 400);
        CHECK(getpid() == atoi(argv[1]));
        char here[64];
        CHECK(!strcmp(getcwd(here, 64), argv[2]));
        stack_t stack;
        sigaltstack(NULL, &stack), SHOW(stack.ss_flags == SS_DISABLE);
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit), SHOW(limit.rlim_cur);
        SHOW(getpriority(PRIO_PROCESS, 0) == atoi(argv[3]));
        struct itimerspec left;
        SHOW(timer_gettime((timer_t)0, &left));
        char name[17] = {0};
        prctl(PR_GET_NAME, name), printf("%s\n", strcmp(name, "before") ? "renamed" : "NOT renamed");
        return 0;
    }
    enter_scratch();
    struct rlimit limit = {77, 88};
    setrlimit(RLIMIT_NOFILE, &limit);
    IN_CHILD("exec", signal(SIGUSR1, handler); signal(SIGUSR2, SIG_IGN); sigset_t set; sigemptyset(&set); sigaddset(&set, SIGTERM);
             sigprocmask(SIG_BLOCK, &set, NULL); raise(SIGTERM); umask(0137); alarm(500); prctl(PR_SET_NAME, "before");
             stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536}; sigaltstack(&stack, NULL); timer_t t; timer_create(CLOCK_REALTIME, NULL, &t);
             char pid[16], nice[16]; snprintf(pid, 16, "%d", getpid()); snprintf(nice, 16, "%d", getpriority(PRIO_PROCESS, 0)); char *args[] = {"x", pid, scratch_path, nice, NULL}; execve("/proc/self/exe", args, args + 4));
    return 0;
}
