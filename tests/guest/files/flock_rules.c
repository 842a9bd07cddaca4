// flock: shared and exclusive, upgrades, blocking and interrupted, bad operations.
// libc: glibc
#include "children.h"
#include <sys/file.h>
static void note(int number) { (void)number; }
int main(void) {
    enter_scratch();
    put_file("f", "");
    int a = NEED(open("f", O_RDONLY)), b = NEED(open("f", O_RDONLY)), c = dup(a);
    SHOW(flock(a, LOCK_SH)), SHOW(flock(b, LOCK_SH | LOCK_NB)), SHOW(flock(a, LOCK_EX | LOCK_NB)), SHOW(flock(b, LOCK_UN)), SHOW(flock(a, LOCK_EX | LOCK_NB)), SHOW(flock(b, LOCK_SH | LOCK_NB)), SHOW(flock(c, LOCK_SH)), SHOW(flock(b, LOCK_SH | LOCK_NB)), SHOW(flock(a, 0)), SHOW(flock(a, LOCK_SH | LOCK_EX)), SHOW(flock(99, LOCK_SH)), SHOW(flock(b, LOCK_UN)), SHOW(flock(a, LOCK_EX));
    struct sigaction s = {.sa_handler = note};
    sigaction(SIGALRM, &s, NULL), ualarm(20000, 0), SHOW(flock(b, LOCK_EX)), s.sa_flags = SA_RESTART, sigaction(SIGALRM, &s, NULL);
    pid_t pid = NEED(fork());
    if (pid == 0) { sleep_ms(40), flock(a, LOCK_UN); _exit(0); }
    ualarm(15000, 0), SHOW(flock(b, LOCK_EX)), wait(NULL), close(b), SHOW(flock(a, LOCK_EX | LOCK_NB)), unlink("f");
    return 0;
}
