// Only the forking thread goes on in the child; locks it does not hold are as they were; atfork handlers run.
// libc: musl
#include "children.h"
#include <pthread.h>
static int order[8], count;
static void before(void) { order[count++] = 1; }
static void in_parent(void) { order[count++] = 2; }
static void in_child(void) { order[count++] = 3; }
static volatile int spins;
static void *spin(void *unused) {
    for (;;) spins++, sleep_ms(1);
    return unused;
}
static void *forker(void *unused) {
    IN_CHILD("child", int then = spins; sleep_ms(20); CHECK(spins == then); CHECK(getpid() == syscall(SYS_gettid));
             printf("order %d %d\n", order[0], order[1]));
    return unused;
}
int main(void) {
    pthread_t a, b;
    pthread_atfork(before, in_parent, in_child);
    pthread_create(&a, NULL, spin, NULL), pthread_create(&b, NULL, forker, NULL);
    pthread_join(b, NULL);
    printf("order %d %d\n", order[0], order[1]);
    return 0;
}
