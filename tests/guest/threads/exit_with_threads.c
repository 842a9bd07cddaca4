// exit ends the process while other threads sleep, spin and read.
#include "check.h"
#include <pthread.h>
static int p[2];
static void *sleeper(void *n) { return sleep(1000), n; }
static void *spinner(void *n) {
    for (volatile int i = 0;; i++) {
    }
    return n;
}
static void *reader(void *n) {
    char c;
    return read(p[0], &c, 1), n;
}
int main(void) {
    pthread_t t;
    NEED(pipe(p));
    pthread_create(&t, NULL, sleeper, NULL);
    pthread_create(&t, NULL, spinner, NULL);
    pthread_create(&t, NULL, reader, NULL);
    sleep_ms(30);
    puts("leaving");
    exit(5);
}
