// The first thread ends by pthread_exit; the process lives until the last one returns, with status 0.
#include "check.h"
#include <pthread.h>
static void *later(void *n) {
    sleep_ms(50);
    puts("the other thread still runs");
    return n;
}
int main(void) {
    pthread_t t;
    pthread_create(&t, NULL, later, NULL);
    puts("the first thread ends");
    pthread_exit(NULL);
}
