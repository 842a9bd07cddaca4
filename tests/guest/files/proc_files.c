// The files under /proc that runtimes read at start have the shape that they expect.
#include "check.h"
static char text[65536];
static int load(const char *path) {
    int fd = open(path, O_RDONLY), total = 0;
    if (fd == -1) return -1;
    for (int got; (got = read(fd, text + total, sizeof text - 1 - total)) > 0;) total += got;
    text[total] = 0;
    close(fd);
    return total;
}
int main(void) {
    CHECK(load("/proc/self/maps") > 0);
    CHECK(strstr(text, "[stack]") != NULL);
    CHECK(strstr(text, "r-xp") != NULL || strstr(text, "r-x") != NULL);
    CHECK(load("/proc/meminfo") > 0);
    CHECK(strncmp(text, "MemTotal:", 9) == 0 && strstr(text, "MemAvailable:"));
    CHECK(load("/proc/cpuinfo") > 0);
    CHECK(strncmp(text, "processor\t: 0", 13) == 0);
    CHECK(load("/proc/stat") > 0);
    CHECK(strncmp(text, "cpu ", 4) == 0);
    CHECK(load("/proc/self/status") > 0);
    CHECK(strncmp(text, "Name:\t", 6) == 0 && strstr(text, "Pid:") && strstr(text, "Threads:"));
    CHECK(load("/proc/self/stat") > 0);
    CHECK(atoi(text) == getpid());
    CHECK(load("/proc/self/cmdline") > 0);
    CHECK(load("/sys/devices/system/cpu/online") > 0);
    CHECK(text[0] == '0');
    CHECK(load("/proc/sys/kernel/osrelease") > 0);
    CHECK(load("/proc/sys/vm/overcommit_memory") > 0);
    CHECK(load("/proc/absent") == -1 && errno == ENOENT);
    int fd = open("/dev/null", O_RDONLY);
    char link[64], target[64] = {0};
    sprintf(link, "/proc/self/fd/%d", fd);
    CHECK(readlink(link, target, sizeof target) > 0);
    puts(target);
    return 0;
}
