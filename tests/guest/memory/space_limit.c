// RLIMIT_AS bounds mappings: ENOMEM for mmap, malloc, mremap, threads and the program goes on.
// libc: musl
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
static void *body(void *unused) { return unused; }
int main(void) {
    struct rlimit limit = {256 << 20, 256 << 20};
    SHOW(setrlimit(RLIMIT_AS, &limit));
    SHOW(mmap(NULL, 512 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    char *p = mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED), SHOW(mremap(p, 64 << 20, 300 << 20, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    CHECK(malloc(400 << 20) == NULL);
    pthread_attr_t a;
    pthread_t t;
    pthread_attr_init(&a), pthread_attr_setstacksize(&a, 220 << 20), printf("%s\n", error_name(pthread_create(&t, &a, body, NULL)));
    SHOW(munmap(p, 64 << 20)), printf("%s\n", error_name(pthread_create(&t, NULL, body, NULL)));
    pthread_join(t, NULL);
    return 0;
}
