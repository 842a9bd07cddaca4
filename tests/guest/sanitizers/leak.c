// LeakSanitizer by itself, with threads whose registers and stacks it looks through.
// libc: glibc
// build: -fsanitize=leak
#include "children.h"
#include <pthread.h>
#include <sanitizer/lsan_interface.h>
static pthread_barrier_t begun;
static void *holds(void *argument) {
    char *volatile bytes = malloc(4000);
    pthread_barrier_wait(&begun);
    for (;;) pause();
    return bytes;
}
int main(void) {
    pthread_t threads[3];
    pthread_barrier_init(&begun, NULL, 4);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, holds, NULL);
    pthread_barrier_wait(&begun);
    SHOW(__lsan_do_recoverable_leak_check());
    for (int i = 0; i < 5; i++) strcpy(malloc(3000), "lost");
    return 0;
}
