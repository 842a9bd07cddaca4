// Threads that write lines to one stream: every line is whole, none is lost.
#include "check.h"
#include <pthread.h>
static FILE *f;
static void *body(void *number) {
    for (int i = 0; i < 500; i++) fprintf(f, "thread %ld writes line %04d of many\n", (long)number, i);
    return NULL;
}
int main(void) {
    enter_scratch();
    f = fopen("f", "w");
    pthread_t t[6];
    for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, body, (void *)i);
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    fclose(f), f = fopen("f", "r");
    int lines = 0, odd = 0, next[6] = {0};
    char line[128];
    while (fgets(line, 128, f)) {
        long who;
        int number, used = 0;
        if (sscanf(line, "thread %ld writes line %d of many\n%n", &who, &number, &used) != 2 || line[used] || next[who]++ != number) odd++;
        lines++;
    }
    printf("%d lines, %d odd\n", lines, odd), unlink("f");
    return 0;
}
