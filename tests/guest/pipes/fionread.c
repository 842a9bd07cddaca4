// Bytes available in a pipe, as FIONREAD counts them.
#include "check.h"
#include <sys/ioctl.h>
int main(void) {
    int p[2], count = -1;
    NEED(pipe(p));
    SHOW(ioctl(p[0], FIONREAD, &count));
    printf("%d\n", count);
    NEED(write(p[1], "12345", 5));
    SHOW(ioctl(p[0], FIONREAD, &count));
    printf("%d\n", count);
    int on = 1;
    SHOW(ioctl(p[0], FIONBIO, &on));
    CHECK(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    SHOW(ioctl(p[0], 0x7777, &on));
    SHOW(ioctl(0x7777, FIONREAD, &on));
    return 0;
}
