// Memory of the one node below /sys, read as libnuma reads it: ps, top and free warn where they cannot.
// libc: musl
#include "check.h"
int main(void) {
    char line[256];
    long long total = -1, left = -1, value;
    FILE *file = fopen("/sys/devices/system/node/node0/meminfo", "r");
    CHECK(file != NULL);
    while (file && fgets(line, sizeof line, file)) {
        char *at = strstr(line, "MemTotal"), *unit = strstr(line, "kB");
        if (at && unit && sscanf(at, "MemTotal: %lld kB", &value) == 1) total = value;
        at = strstr(line, "MemFree");
        if (at && unit && sscanf(at, "MemFree: %lld kB", &value) == 1) left = value;
    }
    CHECK(total > 0), CHECK(left > 0 && left <= total);
    SHOW(open("/proc/sys/kernel/yama/none", O_RDONLY));
    return 0;
}
