// Processes and threads count in a shared mapping of a file; the file has the sum.
#include "children.h"
#include <pthread.h>
#include <sys/mman.h>
static long *counters;
static void *body(void *unused) {
    for (int i = 0; i < 20000; i++) __atomic_fetch_add(&counters[i % 512], 1, __ATOMIC_RELAXED);
    return unused;
}
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    NEED(ftruncate(fd, 4096)), counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (int i = 0; i < 4; i++)
        if (NEED(fork()) == 0) {
            pthread_t t[2];
            for (int j = 0; j < 2; j++) pthread_create(&t[j], NULL, body, NULL);
            for (int j = 0; j < 2; j++) pthread_join(t[j], NULL);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) wait(NULL);
    long all[512], sum = 0;
    SHOW(pread(fd, all, 4096, 0));
    for (int i = 0; i < 512; i++) sum += all[i];
    printf("%ld\n", sum), unlink("f");
    return 0;
}
