// /proc/PID/stat, schedstat and sched have the CPU time that getrusage(2) and the clocks have; sizes agree with sysinfo(2).
#include "asleep.h"
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
static unsigned long long field(const char *path, int number) {
    char text[1024] = "";
    int fd = open(path, O_RDONLY);
    if (fd == -1 || read(fd, text, sizeof text - 1) <= 0) return -1;
    close(fd);
    char *at = strrchr(text, ')') ? strrchr(text, ')') + 2 : text;
    for (int skip = number - 3; skip > 0 && at; skip--) at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
    return at ? strtoull(at, NULL, 10) : -1;
}
static void burn(clockid_t clock, int ms) {
    struct timespec used;
    do clock_gettime(clock, &used);
    while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < ms);
}
static volatile pid_t other;
static volatile int done;
static void *burns(void *argument) {
    other = syscall(SYS_gettid), burn(CLOCK_THREAD_CPUTIME_ID, 300), done = 1;
    while (done != 2) sleep_ms(1);
    return NULL;
}
static int near(long value, long wanted) { return value >= wanted - wanted / 3 - 2 && value <= wanted + wanted / 2 + 5; }
int main(void) {
    pthread_t thread;
    char path[64];
    burn(CLOCK_PROCESS_CPUTIME_ID, 300);
    pthread_create(&thread, NULL, burns, NULL);
    AWAIT(done == 1);
    struct rusage usage;
    struct tms tms;
    getrusage(RUSAGE_SELF, &usage), times(&tms);
    long own = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 100 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 10000;
    CHECK(near(own, 60)), CHECK(near(tms.tms_utime + tms.tms_stime, own));
    CHECK(near(field("/proc/self/stat", 14) + field("/proc/self/stat", 15), own));
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", other);
    CHECK(near(field(path, 14) + field(path, 15), 30));
    CHECK(near(field("/proc/thread-self/stat", 14) + field("/proc/thread-self/stat", 15), own - 30));
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", other);
    CHECK(near(field(path, 3) / 10000000, 30));
    printf("priority %lld, nice %lld, threads %lld\n", field("/proc/self/stat", 18), field("/proc/self/stat", 19), field("/proc/self/stat", 20));
    setpriority(PRIO_PROCESS, 0, 3);
    printf("priority %lld, nice %lld\n", field("/proc/thread-self/stat", 18), field("/proc/thread-self/stat", 19));
    CHECK(field("/proc/self/stat", 22) > 0);
    done = 2, pthread_join(thread, NULL);
    static const char *there[] = {"/proc/self/sched", "/proc/self/schedstat", "/proc/self/coredump_filter", "/proc/self/timerslack_ns", "/proc/sys/kernel/tainted",
        "/proc/sys/fs/pipe-user-pages-soft", "/proc/sys/fs/pipe-user-pages-hard", "/proc/sys/kernel/yama/ptrace_scopes"};
    for (unsigned i = 0; i < sizeof there / sizeof *there; i++) printf("%s: %s\n", there[i], access(there[i], R_OK) ? error_name(errno) : "there");
    struct sysinfo info;
    char text[256] = "";
    int fd = open("/proc/meminfo", O_RDONLY);
    read(fd, text, sizeof text - 1), sysinfo(&info);
    CHECK(strtoull(strchr(text, ':') + 1, NULL, 10) == info.totalram * (unsigned long long)info.mem_unit / 1024);
    return 0;
}
