// What the programs that fork share: running a block in a child, telling how a child ended, a copy to start.
#include "check.h"
#include <sched.h>
#include <sys/wait.h>

// What <linux/sched.h> has; not every C library comes with it.
struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static inline void show_end(const char *who, int status) {
    if (WIFEXITED(status)) printf("%s exited with %d\n", who, WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) printf("%s was killed by %d\n", who, WTERMSIG(status));
    else if (WIFSTOPPED(status)) printf("%s was stopped by %d\n", who, WSTOPSIG(status));
    else if (WIFCONTINUED(status)) printf("%s goes on\n", who);
}

// Runs the statements in a child, which exits with 0 after them, and tells how it ended.
#define IN_CHILD(who, ...)                                                                                          \
    ({                                                                                                              \
        int status_;                                                                                                \
        pid_t pid_ = NEED(fork());                                                                                  \
        if (pid_ == 0) {                                                                                            \
            __VA_ARGS__;                                                                                            \
            _exit(0);                                                                                               \
        }                                                                                                           \
        NEED(waitpid(pid_, &status_, 0));                                                                           \
        show_end(who, status_);                                                                                     \
    })

// Reads the one byte that another process writes: a meeting point.
static inline void await_byte(int fd) {
    char byte;
    while (read(fd, &byte, 1) == -1 && errno == EINTR) {
    }
}

// Copies the running program, for those that start it in another way.
static inline void copy_self(const char *to) {
    static char bytes[65536];
    int in = NEED(open("/proc/self/exe", O_RDONLY)), out = NEED(open(to, O_WRONLY | O_CREAT, 0755));
    for (ssize_t got; (got = read(in, bytes, sizeof bytes)) > 0;) NEED(write(out, bytes, got));
    close(in), close(out);
}
