// ThreadSanitizer finds a race, and none where a lock is held.
// libc: glibc
// build: -fsanitize=thread
#include "children.h"
#include <pthread.h>
static int counter;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *races(void *argument) {
    counter++;
    return NULL;
}
static void *locks(void *argument) {
    for (int i = 0; i < 100; i++) pthread_mutex_lock(&lock), counter++, pthread_mutex_unlock(&lock);
    return NULL;
}
static void run(void *(*body)(void *)) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, body, NULL);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    printf("%d\n", counter);
    exit(0);
}
int main(void) {
    IN_CHILD("with locks", run(locks));
    IN_CHILD("without", run(races));
    return 0;
}
