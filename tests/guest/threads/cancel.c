// Cancellation ends a thread in a blocking call and runs its clean-up handlers.
#include "asleep.h"
#include <pthread.h>
static int p[2];
static pid_t at_read;
static void tidy(void *what) { printf("tidied %s\n", (char *)what); }
static void *reader(void *n) {
    char c;
    pthread_cleanup_push(tidy, "outer");
    pthread_cleanup_push(tidy, "inner");
    announce(&at_read);
    read(p[0], &c, 1);
    puts("not reached");
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return n;
}
int main(void) {
    pthread_t t;
    void *value;
    NEED(pipe(p));
    pthread_create(&t, NULL, reader, NULL);
    await_announced(&at_read);
    int cancelled = pthread_cancel(t);
    SHOW(pthread_join(t, &value));
    SHOW(cancelled);
    CHECK(value == PTHREAD_CANCELED);
    return 0;
}
