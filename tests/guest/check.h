// What every guest program shares: printing what a call answered, errors by their name and never by a number.
//
// A program prints only what is the same on every Linux: no inode numbers, no addresses, no times, no order that
// the kernel does not promise. The harness (tests/differential.rs) runs it natively and in a machine and compares.
// Comment lines "// args:", "// stdin:", "// env:" and "// build:" at its top tell the harness how to.
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

// Whoever runs the harness in the background, or after a hang-up, leaves these ignored; no machine inherits that.
__attribute__((constructor)) static void default_signals(void) {
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
}

static inline const char *error_name(int number) {
    static char other[16];
#define NAME(e) case e: return #e;
    switch (number) {
    NAME(EPERM) NAME(ENOENT) NAME(ESRCH) NAME(EINTR) NAME(EIO) NAME(ENXIO) NAME(E2BIG) NAME(ENOEXEC) NAME(EBADF)
    NAME(ECHILD) NAME(EAGAIN) NAME(ENOMEM) NAME(EACCES) NAME(EFAULT) NAME(EBUSY) NAME(EEXIST) NAME(EXDEV)
    NAME(ENODEV) NAME(ENOTDIR) NAME(EISDIR) NAME(EINVAL) NAME(ENFILE) NAME(EMFILE) NAME(ENOTTY) NAME(EFBIG)
    NAME(ENOSPC) NAME(ESPIPE) NAME(EROFS) NAME(EMLINK) NAME(EPIPE) NAME(EDOM) NAME(ERANGE) NAME(EDEADLK)
    NAME(ENAMETOOLONG) NAME(ENOSYS) NAME(ENOTEMPTY) NAME(ELOOP) NAME(EOVERFLOW) NAME(ENOTSOCK)
    NAME(EDESTADDRREQ) NAME(EMSGSIZE) NAME(EPROTOTYPE) NAME(ENOPROTOOPT) NAME(EPROTONOSUPPORT)
    NAME(EOPNOTSUPP) NAME(EAFNOSUPPORT) NAME(EADDRINUSE) NAME(EADDRNOTAVAIL) NAME(ECONNABORTED)
    NAME(ECONNRESET) NAME(EISCONN) NAME(ENOTCONN) NAME(ETIMEDOUT) NAME(ECONNREFUSED) NAME(EALREADY)
    NAME(EINPROGRESS) NAME(ECANCELED) NAME(ESOCKTNOSUPPORT) NAME(ENODATA) NAME(ETXTBSY) NAME(ENETUNREACH)
    NAME(EHOSTUNREACH) NAME(EOWNERDEAD) NAME(ENOTRECOVERABLE) NAME(ENOBUFS) NAME(EPFNOSUPPORT) NAME(ENOLCK)
    NAME(EIDRM) NAME(ENOMSG)
    case 0: return "0";
    }
#undef NAME
    snprintf(other, sizeof other, "errno %d", number);
    return other;
}

// Prints the expression and its value, or the error that it set when the value is -1.
#define SHOW(expression)                                                                                            \
    ({                                                                                                              \
        errno = 0;                                                                                                  \
        long shown_ = (long)(expression);                                                                           \
        int error_ = errno;                                                                                         \
        if (shown_ == -1) printf("%s = -1 %s\n", #expression, error_name(error_));                                  \
        else printf("%s = %ld\n", #expression, shown_);                                                             \
    })

// Prints the expression and whether it went well, for calls whose value differs from run to run.
#define TRY(expression)                                                                                             \
    ({                                                                                                              \
        errno = 0;                                                                                                  \
        long shown_ = (long)(expression);                                                                           \
        int error_ = errno;                                                                                         \
        if (shown_ == -1) printf("%s: %s\n", #expression, error_name(error_));                                      \
        else printf("%s: ok\n", #expression);                                                                       \
    })

// Prints whether a condition holds.
#define CHECK(condition) printf("%s: %s\n", #condition, (condition) ? "yes" : "NO")

// Ends the program when what a test needs cannot be had.
#define NEED(expression)                                                                                            \
    ({                                                                                                              \
        long needed_ = (long)(expression);                                                                          \
        if (needed_ == -1) {                                                                                        \
            printf("needed %s: %s\n", #expression, error_name(errno));                                              \
            exit(99);                                                                                               \
        }                                                                                                           \
        needed_;                                                                                                    \
    })

static inline void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
}

static inline int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static char scratch_path[64];

static inline void leave_scratch(void) {
    if (chdir("/tmp") == 0) rmdir(scratch_path);
}

// Enters a new empty directory, which is removed at exit if the program left nothing in it.
static inline void enter_scratch(void) {
    strcpy(scratch_path, "/tmp/guest-XXXXXX");
    if (!mkdtemp(scratch_path) || chdir(scratch_path) == -1) {
        printf("no scratch directory: %s\n", error_name(errno));
        exit(99);
    }
    atexit(leave_scratch);
    umask(022);
}

static inline void put_file(const char *path, const char *text) {
    int fd = NEED(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) exit(98);
    close(fd);
}

static inline void show_file(const char *path) {
    char bytes[256];
    int fd = open(path, O_RDONLY);
    ssize_t got = fd == -1 ? -1 : read(fd, bytes, sizeof bytes - 1);
    if (got == -1) printf("%s: %s\n", path, error_name(errno));
    else printf("%s: \"%.*s\"\n", path, (int)got, bytes);
    if (fd != -1) close(fd);
}

__attribute__((constructor)) static void by_lines(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
#endif
