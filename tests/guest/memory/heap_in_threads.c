// malloc, realloc and free in threads, with what each block holds checked.
#include "check.h"
#include <pthread.h>
static void *body(void *seed) {
    unsigned long r = (unsigned long)seed * 2654435761u + 1, sum = 0;
    struct { unsigned char *at; size_t size; unsigned char mark; } held[64] = {0};
    for (int i = 0; i < 20000; i++) {
        r = r * 6364136223846793005ul + 1442695040888963407ul;
        int n = r >> 40 & 63;
        size_t size = (r >> 20 & 1023) == 0 ? 300000 : (r >> 50) % 3000 + 1;
        for (size_t j = 0; j < held[n].size; j += 97) if (held[n].at[j] != held[n].mark) return (void *)1;
        if (held[n].at && r >> 33 & 1) {
            size_t old = held[n].size;
            held[n].at = realloc(held[n].at, size);
            for (size_t j = 0; j < (old < size ? old : size); j += 97) if (held[n].at[j] != held[n].mark) return (void *)2;
        } else free(held[n].at), held[n].at = malloc(size);
        held[n].size = size, held[n].mark = r >> 8, memset(held[n].at, held[n].mark, size), sum += size;
    }
    for (int n = 0; n < 64; n++) free(held[n].at);
    return (void *)(sum << 4);
}
int main(void) {
    pthread_t t[6];
    void *result;
    for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, body, (void *)i);
    for (int i = 0; i < 6; i++) pthread_join(t[i], &result), printf("%lu\n", (unsigned long)result);
    return 0;
}
