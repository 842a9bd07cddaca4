// Named pipes: opening without a partner, O_RDWR, several writers, removal while open.
// libc: musl
#include "children.h"
#include <poll.h>
int main(void) {
    enter_scratch();
    char b[8] = {0};
    NEED(mkfifo("p", 0600)), SHOW(mkfifo("p", 0600)), SHOW(open("p", O_WRONLY | O_NONBLOCK));
    int r = NEED(open("p", O_RDONLY | O_NONBLOCK)), w = NEED(open("p", O_WRONLY | O_NONBLOCK));
    struct pollfd q = {r, POLLIN, 0};
    SHOW(read(r, b, 1)), SHOW(write(w, "ab", 2)), SHOW(read(r, b, 8)), close(w), SHOW(read(r, b, 8)), SHOW(poll(&q, 1, 0)), SHOW(q.revents), w = NEED(open("p", O_WRONLY)), SHOW(poll(&q, 1, 0)), close(r), close(w);
    pid_t pid = NEED(fork());
    if (pid == 0) { w = open("p", O_WRONLY), write(w, "hello", 5); _exit(0); }
    r = NEED(open("p", O_RDONLY)), SHOW(read(r, b, 8)), wait(NULL), SHOW(read(r, b, 8)), SHOW(unlink("p")), SHOW(fstat(r, &(struct stat){0}));
    NEED(mkfifo("q", 0600));
    int rw = NEED(open("q", O_RDWR));
    SHOW(write(rw, "self", 4)), SHOW(read(rw, b, 8)), unlink("q");
    return 0;
}
