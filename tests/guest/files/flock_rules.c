// flock: shared and exclusive, upgrades, blocking and interrupted, bad operations.
// libc: glibc
#include "asleep.h"
#include "children.h"
#include <sys/file.h>
static void note(int number) { (void)number; }
static void ring(void) { ualarm(1000, 0); }
int main(void) {
    enter_scratch();
    put_file("f", "");
    int a = NEED(open("f", O_RDONLY)), b = NEED(open("f", O_RDONLY)), c = dup(a);
    SHOW(flock(a, LOCK_SH)), SHOW(flock(b, LOCK_SH | LOCK_NB)), SHOW(flock(a, LOCK_EX | LOCK_NB)), SHOW(flock(b, LOCK_UN)), SHOW(flock(a, LOCK_EX | LOCK_NB)), SHOW(flock(b, LOCK_SH | LOCK_NB)), SHOW(flock(c, LOCK_SH)), SHOW(flock(b, LOCK_SH | LOCK_NB)), SHOW(flock(a, 0)), SHOW(flock(a, LOCK_SH | LOCK_EX)), SHOW(flock(99, LOCK_SH)), SHOW(flock(b, LOCK_UN)), SHOW(flock(a, LOCK_EX));
    struct sigaction s = {.sa_handler = note};
    sigaction(SIGALRM, &s, NULL);
    pthread_t t = once_asleep(ring);
    SHOW(flock(b, LOCK_EX)), pthread_join(t, NULL), s.sa_flags = SA_RESTART, sigaction(SIGALRM, &s, NULL);
    pid_t pid = NEED(fork());
    if (pid == 0) { await_asleep(getppid()), kill(getppid(), SIGALRM), await_asleep(getppid()), flock(a, LOCK_UN); _exit(0); }
    SHOW(flock(b, LOCK_EX)), wait(NULL), close(b), SHOW(flock(a, LOCK_EX | LOCK_NB)), unlink("f");
    return 0;
}
