// vfork and posix_spawn start programs; their file actions and attributes hold.
// libc: glibc
#include "children.h"
#include <spawn.h>
static char *env[] = {NULL};
int main(int argc, char **argv) {
    if (argc > 1) {
        sigset_t set;
        sigprocmask(0, NULL, &set);
        printf("%s: hup %d term %d\n", argv[1], sigismember(&set, SIGHUP), sigismember(&set, SIGTERM));
        char text[16] = {0};
        printf("stdin gives %d: %s\n", (int)read(0, text, 15), text);
        CHECK(getpgrp() == getpid());
        return 44;
    }
    enter_scratch();
    put_file("in", "hello");
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions), posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "in", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "err", O_WRONLY | O_CREAT, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 30);
    posix_spawn_file_actions_addclose(&actions, 30);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGHUP);
    posix_spawnattr_setsigmask(&attributes, &set), posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    char *args[] = {"x", "spawned", NULL};
    pid_t pid;
    int status;
    int spawned = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, args, env);
    SHOW(waitpid(pid, &status, 0) == pid);
    SHOW(spawned), show_end("spawned", status);
    printf("%s\n", error_name(posix_spawn(&pid, "/nowhere", NULL, NULL, args, env)));
    pid = vfork();
    if (pid == 0) {
        setpgid(0, 0);
        execve("/proc/self/exe", (char *[]){"x", "vforked", NULL}, env);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    show_end("vforked", status);
    unlink("in"), unlink("err");
    return 0;
}
