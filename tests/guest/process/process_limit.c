// RLIMIT_NPROC bounds processes and threads of a user: EAGAIN.
// libc: musl
#include "children.h"
#include <pthread.h>
#include <sys/resource.h>
static void *body(void *gate) { return await_byte(*(int *)gate), gate; }
int main(void) {
    IN_CHILD("user", setresuid(54322, 54322, 54322); struct rlimit l = {6, 6}; setrlimit(RLIMIT_NPROC, &l); int made = 0; pid_t pid;
             while (made < 50 && (pid = fork()) > 0) { made++; }
             if (pid == 0) { pause(); }
             printf("%s, %s\n", error_name(errno), made < 50 ? "bounded" : "NOT bounded"); signal(SIGTERM, SIG_IGN); kill(-1, SIGKILL));
    return 0;
}
