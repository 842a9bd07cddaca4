// CLONE_FILES and CLONE_FS: one table of descriptors, one directory, one umask.
// libc: musl
#include "children.h"
#include <sched.h>
static int fd = -1;
static int body(void *unused) {
    (void)unused;
    close(fd);
    chdir("/");
    umask(055);
    return 0;
}
static char stack[65536] __attribute__((aligned(16)));
static void run(int flags) {
    char here[64];
    enter_scratch();
    fd = NEED(open("/dev/null", O_RDONLY));
    int status;
    pid_t pid = NEED(clone(body, stack + sizeof stack, flags | SIGCHLD, NULL));
    waitpid(pid, &status, 0);
    SHOW(fcntl(fd, F_GETFD));
    getcwd(here, sizeof here);
    printf("%s, umask %o\n", strcmp(here, "/") ? "still here" : "moved", umask(022));
    leave_scratch();
}
int main(void) {
    run(0);
    run(CLONE_FILES);
    run(CLONE_FS);
    run(CLONE_FILES | CLONE_FS | CLONE_VM);
    return 0;
}
