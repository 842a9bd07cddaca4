// pthread_once and C11 threads.
#include "check.h"
#include <pthread.h>
#include <threads.h>
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int runs;
static void init(void) { runs++; }
static void *run(void *n) { return pthread_once(&once, init), n; }
static int c11(void *n) { return *(int *)n * 2; }
int main(void) {
    pthread_t t[5];
    for (int i = 0; i < 5; i++) pthread_create(&t[i], NULL, run, NULL);
    for (int i = 0; i < 5; i++) pthread_join(t[i], NULL);
    printf("%d\n", runs);
    thrd_t c;
    int n = 21, result = 0;
    SHOW(thrd_create(&c, c11, &n) == thrd_success);
    SHOW(thrd_join(c, &result) == thrd_success);
    printf("%d\n", result);
    return 0;
}
