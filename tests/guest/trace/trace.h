// What the programs that trace share: starting a tracee, waiting for its next stop, telling what it is.
#include "children.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

static const char *const event_names[] = {"none", "fork", "vfork", "clone", "exec", "vfork done", "exit"};

// Waits for a stop or the end of a tracee and tells it; the status.
static inline int next_stop(const char *who, pid_t pid) {
    int status;
    NEED(waitpid(pid, &status, __WALL));
    int event = status >> 16;
    if (!WIFSTOPPED(status)) show_end(who, status);
    else if (event == PTRACE_EVENT_STOP) printf("%s: event stop with %d\n", who, WSTOPSIG(status));
    else if (event) printf("%s: event %s with %d\n", who, event_names[event], WSTOPSIG(status));
    else printf("%s: stop %#x\n", who, WSTOPSIG(status));
    return status;
}

// A child that is traced from its SIGSTOP on and runs the statements after it.
#define TRACEE(...)                                                                                                 \
    ({                                                                                                              \
        pid_t child_ = NEED(fork());                                                                                \
        if (child_ == 0) {                                                                                          \
            NEED(ptrace(PTRACE_TRACEME, 0, 0, 0));                                                                  \
            kill(getpid(), SIGSTOP);                                                                                         \
            __VA_ARGS__;                                                                                            \
            _exit(0);                                                                                               \
        }                                                                                                           \
        next_stop("begins", child_);                                                                                \
        child_;                                                                                                     \
    })

// Lets a tracee run to its end, with every signal that it gets.
static inline void to_its_end(pid_t pid) {
    int status, signal = 0;
    do {
        NEED(ptrace(PTRACE_CONT, pid, 0, signal));
        status = next_stop("later", pid);
        signal = WIFSTOPPED(status) && status >> 16 == 0 ? WSTOPSIG(status) : 0;
    } while (WIFSTOPPED(status));
}

static inline struct user_regs_struct registers_of(pid_t pid) {
    struct user_regs_struct registers;
    NEED(ptrace(PTRACE_GETREGS, pid, 0, &registers));
    return registers;
}
