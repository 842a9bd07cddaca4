// A writer fills a pipe faster than its reader takes; nothing is lost, both sleep in turn.
// build: -pthread
#include "check.h"
#include <pthread.h>
static int p[2];
static void *produce(void *unused) {
    (void)unused;
    unsigned char chunk[10007];
    for (int round = 0; round < 100; round++) {
        memset(chunk, round, sizeof chunk);
        for (size_t done = 0; done < sizeof chunk;) {
            ssize_t put = write(p[1], chunk + done, sizeof chunk - done);
            if (put <= 0) exit(3);
            done += put;
        }
    }
    close(p[1]);
    return NULL;
}
int main(void) {
    NEED(pipe(p));
    pthread_t writer;
    pthread_create(&writer, NULL, produce, NULL);
    unsigned char bytes[777];
    unsigned long total = 0, sum = 0;
    for (ssize_t got; (got = read(p[0], bytes, sizeof bytes)) > 0; total += got)
        for (ssize_t i = 0; i < got; i++) sum += bytes[i];
    pthread_join(writer, NULL);
    printf("%lu %lu\n", total, sum);
    return 0;
}
