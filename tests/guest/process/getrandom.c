// getrandom and /dev/urandom give different bytes each time; flags are checked.
#include "check.h"
#include <sys/random.h>
int main(void) {
    unsigned char a[32] = {0}, b[32] = {0}, big[1000] = {0};
    SHOW(getrandom(a, 32, 0));
    SHOW(getrandom(b, 32, 0));
    CHECK(memcmp(a, b, 32) != 0);
    SHOW(getrandom(big, sizeof big, GRND_NONBLOCK));
    int seen[256] = {0}, kinds = 0;
    for (size_t i = 0; i < sizeof big; i++) kinds += !seen[big[i]]++;
    CHECK(kinds > 200);
    SHOW(getrandom(a, 0, 0));
    SHOW(getrandom(a, 32, 0x8000));
    SHOW(syscall(SYS_getrandom, 8L, 32, 0));
    int fd = open("/dev/urandom", O_RDONLY);
    SHOW(read(fd, a, 32));
    SHOW(read(fd, b, 32));
    CHECK(memcmp(a, b, 32) != 0);
    close(fd);
    fd = open("/dev/random", O_RDONLY);
    SHOW(read(fd, b, 32));
    CHECK(memcmp(a, b, 32) != 0);
    return 0;
}
