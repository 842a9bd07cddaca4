// Attributes of threads: sizes, guards, detached ones, and what pthread_getattr_np says of a stack.
// libc: glibc
#include "asleep.h"
#include <pthread.h>
static volatile int ended;
static void *body(void *unused) {
    pthread_attr_t a;
    void *low;
    size_t size, guard;
    int detached;
    char here;
    pthread_getattr_np(pthread_self(), &a), pthread_attr_getstack(&a, &low, &size), pthread_attr_getguardsize(&a, &guard), pthread_attr_getdetachstate(&a, &detached);
    CHECK(&here > (char *)low && &here < (char *)low + size), CHECK(size >= 200000), printf("detached %d\n", detached == PTHREAD_CREATE_DETACHED), pthread_attr_destroy(&a), ended++;
    return unused;
}
int main(void) {
    pthread_attr_t a;
    pthread_t t;
    char *own = aligned_alloc(4096, 262144);
    pthread_attr_init(&a), printf("%s\n", error_name(pthread_attr_setstacksize(&a, 100))), printf("%s\n", error_name(pthread_attr_setstacksize(&a, 262144))), pthread_create(&t, &a, body, NULL), pthread_join(t, NULL), pthread_attr_setguardsize(&a, 65536), pthread_create(&t, &a, body, NULL), pthread_join(t, NULL);
    pthread_attr_setstack(&a, own, 262144), pthread_create(&t, &a, body, NULL), pthread_join(t, NULL), pthread_attr_init(&a), pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED), ended = 0, pthread_create(&t, &a, body, NULL);
    AWAIT(ended == 1);
    body(NULL);
    return 0;
}
