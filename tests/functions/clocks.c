// A function for tests: sets timers of every clock while it starts, and tells each call what became of them.
//
// Lines of "name value"; times are in nanoseconds. Timers are due 1 s after the start, so that the snapshot is taken before.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define PERIOD (SECOND / 10)

enum { REAL, MONOTONIC, BOOT, CLOCKS };
static const clockid_t ids[CLOCKS] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
static const char *names[CLOCKS] = {"real", "monotonic", "boot"};
static long long start[CLOCKS];
static volatile int signals[2], expired, woken[5];
static timer_t once, periodic;

static long long now(int clock) {
    struct timespec t;
    clock_gettime(ids[clock], &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec at(long long ns) {
    return (struct timespec){ns / SECOND, ns % SECOND};
}

static int timer(int clock, int flags, long long first, long long period) {
    int fd = timerfd_create(ids[clock], TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec setting = {at(period), at(first)};
    if (fd == -1 || timerfd_settime(fd, flags, &setting, NULL) == -1) exit(2);
    return fd;
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    int which = info->si_value.sival_int;
    signals[which]++;
    if (which == 1) expired += 1 + info->si_overrun;
}

static timer_t posix_timer(int clock, int which, int flags, long long first, long long period) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = which};
    struct itimerspec setting = {at(period), at(first)};
    timer_t id;
    if (timer_create(ids[clock], &event, &id) == -1 || timer_settime(id, flags, &setting, NULL) == -1) exit(3);
    return id;
}

// Sleepers of each kind; the last one sleeps by CLOCK_MONOTONIC and must not wake.
static void *sleeper(void *number) {
    long which = (long)number;
    struct timespec real = at(start[REAL] + SECOND), boot = at(start[BOOT] + SECOND), second = at(SECOND), hour = at(3600 * SECOND);
    static unsigned word;
    struct { unsigned long long value, address; unsigned flags, reserved; } list = {0, (unsigned long)&word, 128 | 2, 0};
    switch (which) {
    case 0: clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &real, NULL); break;
    case 1: clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &boot, NULL); break;
    case 2: clock_nanosleep(CLOCK_BOOTTIME, 0, &second, NULL); break;
    case 3: syscall(449, &list, 1, 0, &real, CLOCK_REALTIME); break;
    case 4: clock_nanosleep(CLOCK_REALTIME, 0, &hour, NULL); break;
    }
    woken[which] = 1;
    return NULL;
}

static long long expirations(int fd) {
    unsigned long long count;
    return read(fd, &count, sizeof count) == sizeof count ? (long long)count : -errno;
}

// CLOCK_REALTIME in seconds when this process began, as ps(1) computes it.
static long long began(void) {
    char text[4096];
    long long boot = 0, ticks = 0;
    FILE *file = fopen("/proc/stat", "r");
    while (file && fgets(text, sizeof text, file))
        if (sscanf(text, "btime %lld", &boot) == 1) break;
    if (file) fclose(file);
    file = fopen("/proc/self/stat", "r");
    if (file && fgets(text, sizeof text, file))
        sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &ticks);
    if (file) fclose(file);
    return boot + ticks / sysconf(_SC_CLK_TCK);
}

int main(void) {
    for (int clock = 0; clock < CLOCKS; clock++) start[clock] = now(clock);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN, &action, NULL);
    int real = timer(REAL, TFD_TIMER_ABSTIME, start[REAL] + SECOND, 0), boot = timer(BOOT, 0, SECOND, 0);
    int grid = timer(REAL, TFD_TIMER_ABSTIME, start[REAL] + SECOND, PERIOD), distance = timer(REAL, 0, 3600 * SECOND, 0);
    int monotonic = timer(MONOTONIC, 0, 3600 * SECOND, 0);
    int cancelled = timer(REAL, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, start[REAL] + 36000 * SECOND, 0);
    once = posix_timer(BOOT, 0, 0, SECOND, 0), periodic = posix_timer(REAL, 1, TIMER_ABSTIME, start[REAL] + SECOND, PERIOD);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN), pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (long which = 0; which < 5; which++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, sleeper, (void *)which)) return 4;
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    const char *port = getenv("PORT");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 16)) return 1;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char request[4096], body[2048], head[128];
        if (fd == -1 || read(fd, request, sizeof request) <= 0) continue;
        int length = 0;
        for (int clock = 0; clock < CLOCKS; clock++)
            length += sprintf(body + length, "start-%s %lld\n%s %lld\n", names[clock], start[clock], names[clock], now(clock));
        struct sysinfo info;
        sysinfo(&info);
        // Those who were woken need a moment each.
        for (int turn = 0; turn < 1000 && woken[0] + woken[1] + woken[2] + woken[3] < 4; turn++) usleep(1000);
        timer_settime(periodic, 0, &(struct itimerspec){0}, NULL);
        length += sprintf(body + length, "uptime %ld\nbegan %lld\n", info.uptime, began());
        length += sprintf(body + length, "timerfd-real %lld\ntimerfd-boot %lld\n", expirations(real), expirations(boot));
        length += sprintf(body + length, "timerfd-distance %lld\ntimerfd-monotonic %lld\n", expirations(distance), expirations(monotonic));
        length += sprintf(body + length, "timerfd-cancelled %lld\n", expirations(cancelled));
        length += sprintf(body + length, "timerfd-cancelled-again %lld\n", expirations(cancelled));
        length += sprintf(body + length, "timerfd-grid %lld\n", expirations(grid));
        length += sprintf(body + length, "grid-due %lld\n", (now(REAL) - start[REAL] - SECOND) / PERIOD + 1);
        length += sprintf(body + length, "signals-once %d\nsignals-periodic %d\nexpired %d\n", signals[0], signals[1], expired);
        for (int which = 0; which < 5; which++) length += sprintf(body + length, "woken-%d %d\n", which, woken[which]);
        int size = sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", length);
        if (write(fd, head, size) != size || write(fd, body, length) != length) return 5;
        close(fd);
    }
}
