// poll: what pipes report at both ends, empty, full, hung up; bad descriptors, ignored ones, time-outs.
#include "check.h"
#include <poll.h>
static void show(struct pollfd *fds, int count, int timeout) {
    int ready = poll(fds, count, timeout);
    printf("%d:", ready);
    for (int i = 0; i < count; i++) printf(" %x", fds[i].revents);
    puts("");
}
int main(void) {
    int p[2], q[2];
    NEED(pipe(p));
    NEED(pipe(q));
    struct pollfd fds[4] = {{p[0], POLLIN}, {p[1], POLLOUT}, {-1, POLLIN, 7}, {0x7777, POLLIN}};
    show(fds, 4, 0);
    show(fds, 3, 0);
    write(p[1], "x", 1);
    show(fds, 3, 0);
    close(p[1]);
    show(fds, 1, 0);
    char c;
    read(p[0], &c, 1);
    show(fds, 1, -1);
    struct pollfd out = {q[1], POLLOUT};
    close(q[0]);
    show(&out, 1, 0);
    int64_t start = now_ms();
    SHOW(poll(NULL, 0, 30));
    CHECK(now_ms() - start >= 29);
    struct timespec t = {0, 10000000}, bad = {0, -1};
    SHOW(ppoll(NULL, 0, &t, NULL));
    SHOW(ppoll(NULL, 0, &bad, NULL));
    int fd = open("/dev/null", O_RDWR);
    struct pollfd file = {fd, POLLIN | POLLOUT};
    show(&file, 1, -1);
    return 0;
}
