// posix_spawn: file actions in order, attributes, errors, and what the child has.
#include "children.h"
#include <spawn.h>
extern char **environ;
int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "inner")) {
        char text[32] = {0};
        sigset_t set;
        sigprocmask(SIG_SETMASK, NULL, &set);
        struct sigaction old;
        sigaction(SIGUSR1, NULL, &old);
        printf("read %zd [%s], blocked %d, handler default %d, group leader %d, descriptor 9 %s\n", read(0, text, 31), text, sigismember(&set, SIGTERM), old.sa_handler == SIG_DFL, getpgrp() == getpid(), fcntl(9, F_GETFD) == -1 ? "closed" : "open");
        return atoi(argv[2]);
    }
    enter_scratch();
    put_file("in", "from a file");
    int out = NEED(open("out", O_CREAT | O_RDWR | O_TRUNC, 0644)), nine = dup2(out, 9), status;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t set;
    pid_t pid;
    char *args[] = {"x", "inner", "21", NULL};
    signal(SIGUSR1, SIG_IGN), sigemptyset(&set), sigaddset(&set, SIGTERM);
    posix_spawn_file_actions_init(&actions), posix_spawn_file_actions_addopen(&actions, 0, "in", O_RDONLY, 0), posix_spawn_file_actions_adddup2(&actions, out, 1), posix_spawn_file_actions_addclose(&actions, nine);
    posix_spawnattr_init(&attributes), posix_spawnattr_setsigmask(&attributes, &set), posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    sigemptyset(&set), sigaddset(&set, SIGUSR1), posix_spawnattr_setsigdefault(&attributes, &set), posix_spawnattr_setpgroup(&attributes, 0);
    printf("%s\n", error_name(posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, args, environ)));
    NEED(waitpid(pid, &status, 0)), show_end("child", status), show_file("out");
    printf("%s\n", error_name(posix_spawn(&pid, "/none/at/all", NULL, NULL, args, environ)));
    posix_spawn_file_actions_addopen(&actions, 5, "missing", O_RDONLY, 0), printf("%s\n", error_name(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, args, environ)));
    printf("%s\n", error_name(posix_spawnp(&pid, "no-such-program-here", NULL, NULL, args, environ))), SHOW(waitpid(-1, NULL, 0));
    unlink("in"), unlink("out");
    return 0;
}
