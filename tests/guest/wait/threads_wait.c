// Any thread may wait for a child of any other; __WNOTHREAD only for its own.
// libc: glibc
#include "asleep.h"
#include "children.h"
#include <pthread.h>
static volatile pid_t child;
static volatile int asked;
static void *maker(void *unused) {
    child = fork();
    if (child == 0) _exit(8);
    AWAIT(asked);
    return unused;
}
int main(void) {
    pthread_t t;
    int status;
    pthread_create(&t, NULL, maker, NULL);
    AWAIT(child);
    SHOW(waitpid(child, &status, __WNOTHREAD));
    asked = 1;
    SHOW(waitpid(child, &status, 0) == child);
    show_end("child", status);
    pthread_join(t, NULL);
    return 0;
}
