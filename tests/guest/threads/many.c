// Five hundred threads at once, each asleep, then all awake.
#include "check.h"
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;
static int open_, done;
static void *run(void *unused) {
    pthread_mutex_lock(&lock);
    while (!open_) pthread_cond_wait(&go, &lock);
    done++;
    pthread_mutex_unlock(&lock);
    return unused;
}
int main(void) {
    static pthread_t t[500];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    int made = 0;
    while (made < 500 && pthread_create(&t[made], &attributes, run, NULL) == 0) made++;
    printf("%d made\n", made);
    pthread_mutex_lock(&lock);
    open_ = 1;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < made; i++) pthread_join(t[i], NULL);
    printf("%d done\n", done);
    return 0;
}
