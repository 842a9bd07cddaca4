// RLIMIT_FSIZE cuts writes short, then they fail with SIGXFSZ and EFBIG.
#include "check.h"
#include <sys/resource.h>
static volatile int got;
static void on_size(int signal) { got += signal == SIGXFSZ; }
int main(void) {
    enter_scratch();
    signal(SIGXFSZ, on_size);
    struct rlimit limit = {1000, 2000};
    SHOW(setrlimit(RLIMIT_FSIZE, &limit));
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    char bytes[600];
    memset(bytes, 'x', sizeof bytes);
    SHOW(write(fd, bytes, 600));
    SHOW(write(fd, bytes, 600));
    SHOW(write(fd, bytes, 600));
    SHOW(pwrite(fd, bytes, 1, 5000));
    SHOW(write(fd, bytes, 0));
    SHOW(ftruncate(fd, 1001));
    SHOW(ftruncate(fd, 500));
    SHOW(truncate("f", 1000));
    SHOW(fallocate(fd, 0, 900, 200));
    printf("%d signals\n", got);
    int p[2];
    NEED(pipe(p));
    char big[2000] = {0};
    SHOW(write(p[1], big, sizeof big));
    unlink("f");
    return 0;
}
