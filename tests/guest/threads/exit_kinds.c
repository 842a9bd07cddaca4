// exit of one thread, of the main thread and of the whole process by raw calls; the status that counts.
#include "children.h"
#include <pthread.h>
static void *last(void *unused) {
    sleep_ms(20);
    syscall(SYS_exit, 55);
    return unused;
}
static void *all(void *unused) {
    sleep_ms(10);
    syscall(SYS_exit_group, 66);
    return unused;
}
static void *sleeper(void *unused) { return sleep_ms(60000), unused; }
int main(void) {
    pthread_t t;
    IN_CHILD("main exits first", pthread_create(&t, NULL, last, NULL); syscall(SYS_exit, 44));
    IN_CHILD("group by a thread", pthread_create(&t, NULL, all, NULL); pthread_create(&t, NULL, sleeper, NULL); sleep_ms(60000));
    IN_CHILD("return of main's body", pthread_create(&t, NULL, sleeper, NULL); exit(77));
    IN_CHILD("killed with threads", pthread_create(&t, NULL, sleeper, NULL); kill(getpid(), SIGKILL); sleep_ms(60000));
    return 0;
}
