// Thread-specific values: destructors, their repeated rounds, keys that are gone, limits.
#include "check.h"
#include <limits.h>
#include <pthread.h>
static pthread_key_t first, again;
static int rounds, ended;
static void once(void *value) { ended += (long)value; }
static void repeat(void *value) { rounds++, pthread_setspecific(again, value); }
static void *body(void *unused) {
    CHECK(pthread_getspecific(first) == NULL), SHOW(pthread_setspecific(first, (void *)5)), SHOW(pthread_setspecific(again, (void *)1));
    return unused;
}
int main(void) {
    SHOW(pthread_key_create(&first, once)), SHOW(pthread_key_create(&again, repeat));
    pthread_t t;
    pthread_setspecific(first, (void *)100), pthread_create(&t, NULL, body, NULL), pthread_join(t, NULL), SHOW(ended), SHOW(rounds == PTHREAD_DESTRUCTOR_ITERATIONS), SHOW((long)pthread_getspecific(first)), SHOW(pthread_key_delete(again)), SHOW(pthread_key_delete(first));
    pthread_key_t more;
    int made = 0, error;
    while (!(error = pthread_key_create(&more, NULL)) && made < 10000) made++;
    printf("%s\n", error_name(error)), CHECK(made > 100);
    return 0;
}
