// build: -lrt
// POSIX message queues: priorities, limits, waiting, notification, errors and the order of checks.
#include "children.h"
#include "asleep.h"
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/resource.h>
static char name[64], buffer[20000];
static mqd_t queue;
static int put(int length, unsigned priority) { memset(buffer, 'a' + priority % 26, sizeof buffer); return mq_send(queue, buffer, length, priority); }
static void get(mqd_t from, int room) {
    unsigned priority = 77;
    errno = 0;
    ssize_t got = mq_receive(from, buffer, room, &priority);
    if (got == -1) printf("get: %s\n", error_name(errno));
    else printf("get: %zd bytes of priority %u, %c\n", got, priority, got ? buffer[0] : '-');
}
static void attributes(mqd_t of) {
    struct mq_attr is;
    if (mq_getattr(of, &is)) printf("attributes: %s\n", error_name(errno));
    else printf("attributes: %s, %ld of %ld messages, %ld bytes\n", is.mq_flags & O_NONBLOCK ? "nonblocking" : "blocking", is.mq_curmsgs, is.mq_maxmsg, is.mq_msgsize);
}
static void ready(mqd_t of) {
    struct pollfd look = {of, POLLIN | POLLOUT, 0};
    poll(&look, 1, 0), printf("ready:%s%s\n", look.revents & POLLIN ? " in" : "", look.revents & POLLOUT ? " out" : "");
}
static volatile pid_t sleeper;
static long answer;
static int error;
static void *receives(void *room) { static char own[9000]; announce(&sleeper), errno = 0, answer = mq_receive(queue, own, (long)room, NULL), error = errno; return NULL; }
static void *sends(void *size) { static char own[9000]; announce(&sleeper), errno = 0, answer = mq_send(queue, own, (long)size, 3), error = errno; return NULL; }
static pthread_t start(void *(*what)(void *), long argument) {
    pthread_t thread;
    sleeper = 0, pthread_create(&thread, NULL, what, (void *)argument), await_announced(&sleeper);
    return thread;
}
static void finish(pthread_t thread) { pthread_join(thread, NULL), printf("waited: %ld %s\n", answer, answer < 0 ? error_name(error) : ""); }
static void handler(int signal, siginfo_t *info, void *context) {
    // Not by dprintf: the signal may come while fork holds its locks.
    char text[80];
    int length = snprintf(text, sizeof text, "told: %d, value %d, by %s\n", signal == SIGUSR1, info->si_value.sival_int, info->si_pid == getpid() ? "us" : "another");
    if (info->si_code == SI_MESGQ) write(1, text, length);
}
static long make(const char *given, int flags, int mode, struct mq_attr *size) { return syscall(SYS_mq_open, given, flags, mode, size); }
static void shown(mqd_t of) {
    char text[200] = "", link[64];
    ssize_t got = pread(of, text, sizeof text - 1, 0);
    char *pid = strstr(text, "NOTIFY_PID:");
    if (pid) printf("%zd: %.*s%s\n", got, (int)(pid - text), text, atoi(pid + 11) == getpid() ? "us" : atoi(pid + 11) ? "another" : "nobody");
    snprintf(link, sizeof link, "/proc/self/fd/%d", of), got = readlink(link, text, sizeof text - 1);
    CHECK(got > 0 && !strncmp(text, name, strlen(name)));
}
int main(void) {
    snprintf(name, sizeof name, "/kontain-%d", getpid());
    char *bare = name + 1, longest[300], slash[80];
    umask(022), memset(longest, 'n', sizeof longest), longest[256] = 0, snprintf(slash, sizeof slash, "%s/a", bare);
    SHOW(mq_open(name, O_RDWR)), SHOW(make(bare, O_RDONLY, 0, NULL)), SHOW(make("", O_CREAT | O_RDWR, 0600, NULL)), SHOW(make(".", O_CREAT | O_RDWR, 0600, NULL)), SHOW(make("..", O_RDWR, 0600, NULL));
    SHOW(make(slash, O_CREAT | O_RDWR, 0600, NULL)), SHOW(make(longest, O_CREAT | O_RDWR, 0600, NULL)), SHOW(make(NULL, O_CREAT, 0, NULL)), SHOW(make(bare, O_CREAT, 0, (void *)1)), SHOW(mq_unlink(name)), SHOW(syscall(SYS_mq_unlink, NULL)), SHOW(syscall(SYS_mq_unlink, "")), SHOW(syscall(SYS_mq_unlink, slash));
    long sizes[][2] = {{0, 1}, {1, 0}, {-1, 1}, {1, -1}, {65537, 1}, {1, (16 << 20) + 1}, {LONG_MAX, LONG_MAX}, {65536, 16 << 20}, {10, 81000}, {1, 700000}, {1, 900000}};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct mq_attr size = {0, sizes[i][0], sizes[i][1]};
        errno = 0;
        long made = make(bare, O_CREAT | O_RDWR, 0600, &size);
        printf("size %ld %ld: %s\n", sizes[i][0], sizes[i][1], made < 0 ? error_name(errno) : "ok");
        if (made >= 0) close(made), mq_unlink(name);
    }
    queue = NEED(mq_open(name, O_RDWR | O_CREAT, 0666, NULL)), attributes(queue), ready(queue), shown(queue);
    struct stat facts;
    fstat(queue, &facts), printf("%o\n", facts.st_mode), CHECK(fcntl(queue, F_GETFD) == FD_CLOEXEC);
    SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL)), SHOW(make(bare, 3, 0, NULL));
    SHOW(put(5, 3)), SHOW(put(6, 9)), SHOW(put(0, 3)), SHOW(put(8192, 32767)), attributes(queue), ready(queue), shown(queue);
    SHOW(put(8193, 0)), SHOW(put(1, 32768)), SHOW(put(1, -1)), SHOW(mq_send(queue, (char *)8, 5, 0)), SHOW(mq_send(0, buffer, 5, 0)), SHOW(mq_send(99, buffer, 5, 0)), SHOW(mq_send(99, buffer, 5, 32768));
    get(queue, 8191), get(queue, 8192), get(queue, sizeof buffer), get(queue, 8192), get(queue, 8192), ready(queue);
    mqd_t reader = NEED(mq_open(name, O_RDONLY | O_NONBLOCK)), writer = NEED(mq_open(name, O_WRONLY | O_NONBLOCK));
    attributes(reader), get(reader, 8192), get(writer, 8192), SHOW(mq_send(reader, buffer, 1, 0));
    for (int i = 0; i < 10; i++) mq_send(writer, buffer, 1, i % 3);
    SHOW(mq_send(writer, buffer, 1, 0)), ready(queue), SHOW(mq_receive(reader, (char *)8, 8192, NULL)), attributes(reader);
    struct timespec past = {1, 0}, wrong = {1, 1000000000}, negative = {-1, 0}, soon;
    SHOW(mq_send(writer, buffer, 1, 0)), SHOW(mq_timedsend(queue, buffer, 1, 0, &past)), SHOW(mq_timedsend(queue, buffer, 1, 0, &wrong)), SHOW(mq_timedsend(queue, buffer, 1, 40000, &negative)), SHOW(syscall(SYS_mq_timedsend, queue, buffer, 1, 0, (void *)8)), SHOW(mq_timedsend(writer, buffer, 1, 0, &past));
    clock_gettime(CLOCK_REALTIME, &soon), soon.tv_nsec += 20000000, soon.tv_sec += soon.tv_nsec / 1000000000, soon.tv_nsec %= 1000000000;
    SHOW(mq_timedsend(queue, buffer, 1, 0, &soon));
    pthread_t thread = start(sends, 7);
    get(queue, 8192), finish(thread);
    while (mq_receive(reader, buffer, 8192, NULL) >= 0) {}
    SHOW(mq_timedreceive(queue, buffer, 8192, NULL, &past)), SHOW(mq_timedreceive(queue, buffer, 8192, NULL, &wrong)), SHOW(mq_timedreceive(queue, buffer, 10, NULL, &past)), SHOW(mq_timedreceive(reader, buffer, 8192, NULL, &past));
    thread = start(receives, 8192), SHOW(put(4, 1)), attributes(queue), get(reader, 8192), finish(thread);
    thread = start(receives, 8192), IN_CHILD("sender", put(3, 5)), finish(thread);
    struct sigaction restart = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART}, fail = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR2, &fail, NULL), thread = start(receives, 8192), pthread_kill(thread, SIGUSR2), finish(thread), attributes(queue);
    sigaction(SIGUSR2, &restart, NULL), thread = start(receives, 8192), pthread_kill(thread, SIGUSR2), await_announced(&sleeper), SHOW(put(2, 2)), finish(thread);
    sigaction(SIGUSR1, &restart, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    SHOW(mq_notify(queue, &event)), SHOW(mq_notify(reader, &event)), shown(queue), SHOW(put(1, 0)), shown(queue), SHOW(put(1, 0)), get(queue, 8192), SHOW(mq_notify(queue, &event)), SHOW(put(1, 0)), get(queue, 8192), get(queue, 8192), SHOW(put(1, 0)), get(queue, 8192);
    SHOW(mq_notify(queue, &event)), IN_CHILD("another", (SHOW(mq_notify(queue, &event)), SHOW(mq_notify(queue, NULL)))), SHOW(mq_notify(queue, NULL)), SHOW(put(1, 0)), get(queue, 8192);
    SHOW(mq_notify(queue, &event)), IN_CHILD("sender", put(1, 0)), get(queue, 8192);
    SHOW(mq_notify(queue, &event)), thread = start(receives, 8192), SHOW(put(1, 0)), finish(thread), SHOW(put(1, 0)), get(queue, 8192);
    SHOW(mq_notify(queue, &event)), SHOW(mq_close(writer)), SHOW(put(1, 0)), get(queue, 8192);
    event.sigev_notify = SIGEV_NONE, SHOW(mq_notify(queue, &event)), shown(queue), SHOW(mq_notify(reader, &event)), SHOW(mq_notify(queue, NULL));
    event.sigev_notify = 99, SHOW(syscall(SYS_mq_notify, queue, &event)), event.sigev_notify = SIGEV_SIGNAL, event.sigev_signo = 65, SHOW(mq_notify(queue, &event)), SHOW(mq_notify(0, NULL)), SHOW(syscall(SYS_mq_notify, queue, (void *)8)), SHOW(syscall(SYS_mq_notify, 99, (void *)8));
    struct mq_attr set = {.mq_flags = O_NONBLOCK, .mq_maxmsg = 1}, old;
    SHOW(mq_setattr(queue, &set, &old)), CHECK(old.mq_flags == 0), attributes(queue), get(queue, 8192), set.mq_flags = O_APPEND, SHOW(mq_setattr(queue, &set, NULL)), set.mq_flags = 1l << 40, SHOW(mq_setattr(queue, &set, NULL)), set.mq_flags = 0, SHOW(mq_setattr(queue, &set, NULL)), SHOW(mq_setattr(0, &set, NULL)), SHOW(syscall(SYS_mq_getsetattr, queue, (void *)8, NULL)), SHOW(syscall(SYS_mq_getsetattr, queue, NULL, (void *)8)), SHOW(syscall(SYS_mq_getsetattr, queue, NULL, NULL));
    SHOW(lseek(queue, 0, SEEK_SET)), SHOW(write(queue, "a", 1));
    SHOW(put(9, 1)), SHOW(mq_unlink(name)), SHOW(mq_open(name, O_RDWR)), get(queue, 8192);
    mqd_t other = NEED(mq_open(name, O_RDWR | O_CREAT, 0200, NULL));
    fstat(other, &facts), printf("%o\n", facts.st_mode), SHOW(mq_unlink(name)), SHOW(mq_close(other)), SHOW(mq_close(other)), SHOW(mq_close(queue));
    char path[64];
    static const char *limits[] = {"msg_default", "msg_max", "msgsize_default", "msgsize_max", "queues_max"};
    for (int i = 0; i < 5; i++) snprintf(path, sizeof path, "/proc/sys/fs/mqueue/%s", limits[i]), show_file(path);
    return 0;
}
