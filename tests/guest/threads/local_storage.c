// Each thread has its own __thread variables, errno and keys with destructors.
#include "check.h"
#include <pthread.h>
#include <sched.h>
static __thread int mine = 7;
static __thread char buffer[3000];
static pthread_key_t key;
static int destroyed;
static void destroy(void *value) { __atomic_add_fetch(&destroyed, (int)(long)value, __ATOMIC_SEQ_CST); }
static void *run(void *n) {
    if (mine != 7 || buffer[2999] != 0) return (void *)-1L;
    mine = (int)(long)n;
    memset(buffer, mine, sizeof buffer);
    pthread_setspecific(key, n);
    close(-1);
    for (int i = 0; i < 20; i++) {
        sched_yield();
        if (mine != (int)(long)n || buffer[1500] != (char)mine || errno != EBADF) return (void *)-2L;
    }
    return n;
}

int main(void) {
    pthread_t t[10];
    long sum = 0;
    pthread_key_create(&key, destroy);
    for (long i = 0; i < 10; i++) pthread_create(&t[i], NULL, run, (void *)(i + 1));
    for (int i = 0; i < 10; i++) {
        void *value;
        pthread_join(t[i], &value);
        sum += (long)value;
    }
    printf("%ld %d %d\n", sum, destroyed, mine);
    return 0;
}
