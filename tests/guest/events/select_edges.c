// select: sets that come back, closed descriptors, beyond the set, times that count down.
// libc: glibc
#include "check.h"
#include <sys/select.h>
int main(void) {
    int p[2];
    NEED(pipe(p));
    fd_set r, w, x;
    fd_set none;
    FD_ZERO(&none);
    r = w = x = none, FD_SET(p[0], &r), FD_SET(p[1], &w), FD_SET(p[0], &x);
    struct timeval t = {0, 20000}, bad = {-1, 0}, bad2 = {0, 1000000};
    SHOW(select(p[1] + 1, &r, &w, &x, &t)), SHOW(FD_ISSET(p[0], &r)), SHOW(FD_ISSET(p[1], &w)), SHOW(FD_ISSET(p[0], &x)), FD_SET(p[0], &r), w = none, t = (struct timeval){0, 20000}, SHOW(select(p[1] + 1, &r, NULL, NULL, &t)), SHOW(t.tv_sec), SHOW(t.tv_usec), SHOW(FD_ISSET(p[0], &r)), FD_SET(p[0], &r), SHOW(select(p[0], &r, NULL, NULL, &(struct timeval){0})), FD_SET(60, &r), SHOW(select(64, &r, NULL, NULL, &(struct timeval){0})), FD_CLR(60, &r), SHOW(select(-1, NULL, NULL, NULL, &t)), SHOW(select(1, NULL, NULL, NULL, &bad)), SHOW(select(0, NULL, NULL, NULL, &(struct timeval){0, 1000})), SHOW(select(5, (void *)8, NULL, NULL, &(struct timeval){0})), (void)bad2, write(p[1], "x", 1), r = none, FD_SET(p[0], &r), SHOW(select(p[0] + 1, &r, NULL, NULL, NULL)), close(p[1]), FD_SET(p[0], &r), SHOW(select(p[0] + 1, &r, NULL, NULL, NULL));
    return 0;
}
