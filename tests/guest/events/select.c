// select and pselect: sets are replaced by what is ready; the time-out is what is left.
#include "check.h"
#include <sys/select.h>
int main(void) {
    int p[2];
    NEED(pipe(p));
    fd_set reads, writes;
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(p[0], &reads);
    FD_SET(p[1], &writes);
    struct timeval t = {0, 0};
    SHOW(select(p[1] + 1, &reads, &writes, NULL, &t));
    printf("%d %d\n", FD_ISSET(p[0], &reads) != 0, FD_ISSET(p[1], &writes) != 0);
    FD_SET(p[0], &reads);
    t.tv_usec = 20000;
    int64_t start = now_ms();
    SHOW(select(p[1] + 1, &reads, NULL, NULL, &t));
    CHECK(now_ms() - start >= 19);
    printf("%ld %ld\n", (long)t.tv_sec, (long)t.tv_usec);
    write(p[1], "x", 1);
    FD_SET(p[0], &reads);
    SHOW(select(p[1] + 1, &reads, NULL, NULL, NULL));
    FD_SET(500, &reads);
    SHOW(select(501, &reads, NULL, NULL, NULL));
    SHOW(select(-1, NULL, NULL, NULL, NULL));
    struct timeval bad = {-1, 0};
    SHOW(select(0, NULL, NULL, NULL, &bad));
    struct timespec ts = {0, 5000000};
    SHOW(pselect(0, NULL, NULL, NULL, &ts, NULL));
    return 0;
}
