// Eight megabytes are written and read back in odd pieces, unchanged.
#include "check.h"
static unsigned char block[70001];
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    uint64_t written = 0, state = 1;
    while (written < 8 << 20) {
        for (size_t i = 0; i < sizeof block; i++) block[i] = (unsigned char)((state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 56);
        ssize_t put = write(fd, block, sizeof block);
        if (put != sizeof block) return 1;
        written += put;
    }
    printf("%lu\n", (unsigned long)written);
    SHOW(lseek(fd, 0, SEEK_SET));
    uint64_t sum = 0, total = 0;
    for (ssize_t got; (got = read(fd, block, 4097)) > 0; total += got)
        for (ssize_t i = 0; i < got; i++) sum = sum * 31 + block[i];
    printf("%lu %lx\n", (unsigned long)total, (unsigned long)sum);
    unlink("f");
    return 0;
}
