// Two threads wait for two children: each child is reported once.
// libc: musl
#include "children.h"
#include <pthread.h>
static int codes[2];
static void *waiter(void *slot) {
    int status;
    if (wait(&status) > 0) *(int *)slot = WEXITSTATUS(status);
    return NULL;
}
int main(void) {
    pthread_t a, b;
    int gate[2];
    NEED(pipe(gate));
    for (int i = 1; i < 3; i++)
        if (fork() == 0) {
            await_byte(gate[0]);
            _exit(i * 10);
        }
    pthread_create(&a, NULL, waiter, &codes[0]), pthread_create(&b, NULL, waiter, &codes[1]);
    sleep_ms(10);
    NEED(write(gate[1], "xy", 2));
    pthread_join(a, NULL), pthread_join(b, NULL);
    SHOW(codes[0] + codes[1]), CHECK(codes[0] != codes[1]);
    SHOW(wait(NULL));
    return 0;
}
