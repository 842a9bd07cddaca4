// The program can find itself.
#include "check.h"
int main(void) {
    char path[256] = {0};
    CHECK(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    unsigned char head[4] = {0};
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK(fd >= 0);
    SHOW(read(fd, head, 4));
    CHECK(memcmp(head, "\177ELF", 4) == 0);
    close(fd);
    CHECK(access(path, X_OK) == 0);
    char name[32] = {0};
    fd = open("/proc/self/comm", O_RDONLY);
    CHECK(read(fd, name, sizeof name) > 0 && strncmp(name, "self_exe", 8) == 0);
    close(fd);
    return 0;
}
