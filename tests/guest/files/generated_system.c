// What runtimes read of /proc and /sys: present, readable, and of the right form.
// libc: glibc
#include "check.h"
static int lines(const char *path, const char *needle) {
    FILE *f = fopen(path, "r");
    char line[4096];
    int n = 0;
    if (!f) return -1;
    while (fgets(line, sizeof line, f)) n += needle ? strstr(line, needle) != NULL : 1;
    return fclose(f), n;
}
int main(void) {
    SHOW(lines("/proc/meminfo", "MemTotal:")), SHOW(lines("/proc/meminfo", "MemAvailable:")), SHOW(lines("/proc/cpuinfo", "processor") > 0), SHOW(lines("/proc/stat", "cpu ") == 1), SHOW(lines("/proc/stat", "btime")), SHOW(lines("/proc/uptime", NULL)), SHOW(lines("/proc/loadavg", NULL)), SHOW(lines("/proc/version", "Linux version")), SHOW(lines("/proc/filesystems", "proc") > 0), SHOW(lines("/proc/self/mountinfo", " / ") > 0), SHOW(lines("/proc/mounts", "proc") > 0), SHOW(lines("/proc/sys/kernel/pid_max", NULL)), SHOW(lines("/proc/sys/kernel/osrelease", NULL)), SHOW(lines("/proc/sys/vm/overcommit_memory", NULL)), SHOW(lines("/proc/sys/net/core/somaxconn", NULL)), SHOW(lines("/proc/sys/fs/file-max", NULL)), SHOW(lines("/proc/sys/kernel/random/uuid", "-")), SHOW(lines("/proc/sys/kernel/random/boot_id", "-")), SHOW(lines("/proc/self/limits", "Max open files")), SHOW(lines("/proc/self/cgroup", ":") > 0), SHOW(lines("/proc/self/oom_score_adj", NULL)), SHOW(lines("/proc/self/statm", NULL)), SHOW(lines("/proc/self/smaps", "Rss:") > 0), SHOW(lines("/proc/self/io", "rchar") >= 0), SHOW(lines("/proc/self/schedstat", NULL)), SHOW(lines("/proc/self/loginuid", NULL) >= 0), SHOW(lines("/proc/self/uid_map", NULL)), SHOW(lines("/proc/self/attr/current", NULL) >= -1), SHOW(lines("/proc/vmstat", "pgfault") > 0), SHOW(lines("/proc/diskstats", NULL) >= 0), SHOW(lines("/proc/swaps", "Filename")), SHOW(lines("/proc/cmdline", NULL)), SHOW(lines("/proc/interrupts", NULL) > 0), SHOW(lines("/proc/devices", NULL) > 0), SHOW(lines("/sys/devices/system/cpu/online", "0")), SHOW(lines("/sys/devices/system/cpu/possible", "0")), SHOW(lines("/sys/kernel/mm/transparent_hugepage/enabled", "[")), SHOW(lines("/sys/devices/system/node/online", "0") >= -1);
    return 0;
}
