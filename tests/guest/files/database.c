// Twelve processes count in one file under fcntl locks, and under flock: no count is lost.
#include "children.h"
#include <sys/file.h>
static void count(int how) {
    for (int i = 0; i < 40; i++) {
        int fd = NEED(open("counter", O_RDWR)), value;
        struct flock l = {.l_type = F_WRLCK};
        if (how == 0) NEED(fcntl(fd, F_SETLKW, &l));
        else if (how == 1) NEED(flock(fd, LOCK_EX));
        else NEED(fcntl(fd, F_OFD_SETLKW, &l));
        pread(fd, &value, 4, 0), value++;
        if (i % 8 == 0) sched_yield();
        pwrite(fd, &value, 4, 0), close(fd);
    }
}
int main(void) {
    enter_scratch();
    for (int how = 0; how < 3; how++) {
        put_file("counter", "\0\0\0\0");
        int zero = 0, fd = NEED(open("counter", O_RDWR)), value = 0;
        pwrite(fd, &zero, 4, 0);
        for (int i = 0; i < 12; i++) if (NEED(fork()) == 0) count(how), _exit(0);
        for (int i = 0; i < 12; i++) wait(NULL);
        pread(fd, &value, 4, 0), printf("%d\n", value), close(fd);
    }
    unlink("counter");
    return 0;
}
