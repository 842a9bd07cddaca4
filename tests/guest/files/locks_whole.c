// flock belongs to the open file: duplicates share it, other opens conflict, the last close releases it.
#include "asleep.h"
#include <sys/file.h>
static int second;
static pid_t waiting;
static void *waiter(void *unused) {
    (void)unused;
    announce(&waiting);
    return (void *)(long)flock(second, LOCK_EX);
}
int main(void) {
    enter_scratch();
    put_file("f", "x");
    int a = NEED(open("f", O_RDONLY)), b = NEED(open("f", O_RDONLY)), c = NEED(dup(a));
    SHOW(flock(a, LOCK_EX));
    SHOW(flock(c, LOCK_EX | LOCK_NB));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(a, LOCK_SH));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(b, LOCK_EX | LOCK_NB));
    SHOW(flock(b, LOCK_UN));
    SHOW(flock(a, LOCK_EX));
    SHOW(close(a));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    second = b;
    pthread_t thread;
    pthread_create(&thread, NULL, waiter, NULL);
    await_announced(&waiting);
    puts("closing");
    fflush(stdout);
    SHOW(close(c));
    void *locked;
    pthread_join(thread, &locked);
    printf("waiter: %ld\n", (long)locked);
    SHOW(flock(b, 0));
    SHOW(flock(99, LOCK_SH));
    unlink("f");
    return 0;
}
