// Any thread may wait for a child of any other; __WNOTHREAD only for its own.
// libc: glibc
#include "children.h"
#include <pthread.h>
static volatile pid_t child;
static void *maker(void *unused) {
    child = fork();
    if (child == 0) _exit(8);
    sleep_ms(50);
    return unused;
}
int main(void) {
    pthread_t t;
    int status;
    pthread_create(&t, NULL, maker, NULL);
    while (!child) sleep_ms(1);
    sleep_ms(20);
    SHOW(waitpid(child, &status, __WNOTHREAD));
    SHOW(waitpid(child, &status, 0) == child);
    show_end("child", status);
    pthread_join(t, NULL);
    return 0;
}
