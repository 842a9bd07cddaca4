// A ring buffer that is mapped twice in a row, so that it can be read across its end.
#include "check.h"
#include <sys/mman.h>
int main(void) {
    int fd = NEED(memfd_create("ring", 0)), size = 65536;
    NEED(ftruncate(fd, size));
    char *at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at), CHECK(mmap(at + size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at + size), close(fd);
    unsigned long start = 0, sum = 0;
    char text[100];
    for (int i = 0; i < 5000; i++) {
        int n = snprintf(text, 100, "message %d;", i);
        memcpy(at + start % size, text, n), memset(text, 0, 100), memcpy(text, at + start % size, n);
        for (int j = 0; j < n; j++) sum += text[j];
        start += n;
    }
    printf("%lu %lu, same %d\n", start, sum, !memcmp(at, at + size, size)), at[size] = '!', printf("%c\n", at[0]), SHOW(munmap(at + size / 2, size));
    return 0;
}
