// The first thread ends by pthread_exit; the process lives until the last one returns, with status 0.
#include "asleep.h"
#include <pthread.h>
static void *later(void *n) {
    await_state(getpid(), 'Z');
    puts("the other thread still runs");
    return n;
}
int main(void) {
    pthread_t t;
    pthread_create(&t, NULL, later, NULL);
    puts("the first thread ends");
    pthread_exit(NULL);
}
