// Native asynchronous I/O: requests of every kind, events, waiting, limits, errors and the order of checks.
#include "children.h"
#include "asleep.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
// What <linux/aio_abi.h> has; not every C library comes with it.
typedef unsigned long aio_context_t;
enum { IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC, IOCB_CMD_NOOP = 6, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV, IOCB_FLAG_RESFD = 1 };
struct io_event { uint64_t data, obj; int64_t res, res2; };
struct iocb { uint64_t aio_data; uint32_t aio_key, aio_rw_flags; uint16_t aio_lio_opcode; int16_t aio_reqprio; uint32_t aio_fildes; uint64_t aio_buf, aio_nbytes; int64_t aio_offset; uint64_t aio_reserved2; uint32_t aio_flags, aio_resfd; };
static aio_context_t context;
static long setup(unsigned events, aio_context_t *place) { return syscall(SYS_io_setup, events, place); }
static long submit(aio_context_t to, long count, struct iocb **list) { return syscall(SYS_io_submit, to, count, list); }
static long events(aio_context_t of, long least, long most, struct io_event *into, struct timespec *until) { return syscall(SYS_io_getevents, of, least, most, into, until); }
static struct iocb made(int opcode, int fd, void *buffer, long bytes, long offset) { return (struct iocb){.aio_lio_opcode = opcode, .aio_fildes = fd, .aio_buf = (long)buffer, .aio_nbytes = bytes, .aio_offset = offset, .aio_data = 100 + opcode}; }
static void ask(const char *what, struct iocb request) {
    struct iocb *list[] = {&request};
    struct io_event event = {0};
    struct timespec now = {0};
    errno = 0;
    long took = submit(context, 1, list);
    if (took != 1) { printf("%s: %ld %s\n", what, took, error_name(errno)); return; }
    long got = events(context, 1, 1, &event, NULL);
    printf("%s: %ld event, data %lld, ours %d, %s %lld %lld, key %u\n", what, got, event.data, event.obj == (long)&request, event.res < 0 ? error_name(-event.res) : "moved", event.res < 0 ? 0 : event.res, event.res2, request.aio_key);
    if (events(context, 0, 1, &event, &now)) printf("one more event\n");
}
static volatile pid_t sleeper;
static long answer;
static int error;
static void *waits(void *least) { static struct io_event into[8]; announce(&sleeper), errno = 0, answer = events(context, (long)least, 8, into, NULL), error = errno; return NULL; }
static pthread_t start(long least) {
    pthread_t thread;
    sleeper = 0, pthread_create(&thread, NULL, waits, (void *)least), await_announced(&sleeper);
    return thread;
}
static void finish(pthread_t thread) { pthread_join(thread, NULL), printf("waited: %ld %s\n", answer, answer < 0 ? error_name(error) : ""); }
static void handler(int signal) {}
int main(void) {
    char name[] = "/tmp/aio-XXXXXX", text[64] = "", *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int file = mkstemp(name), only_reads = open(name, O_RDONLY), only_writes = open(name, O_WRONLY), appends = open(name, O_RDWR | O_APPEND), folder = open("/tmp", O_RDONLY), path = open(name, O_PATH), pair[2], waiting[2], counter = eventfd(0, EFD_NONBLOCK);
    NEED(pipe2(pair, O_NONBLOCK)), NEED(pipe(waiting));
    SHOW(setup(0, &context)), SHOW(setup(8, NULL)), SHOW(setup(8, (void *)8)), context = 1, SHOW(setup(8, &context)), context = 0, SHOW(setup(0x7fffffff, &context)), SHOW(setup(4194305, &context)), SHOW(setup(4194304, &context)), SHOW(setup(8, &context)), CHECK(context != 0), SHOW(setup(8, &context)), munmap(page + 4096, 4096);
    SHOW(submit(0, 0, NULL)), SHOW(submit(context, 0, NULL)), SHOW(submit(context, -1, NULL)), SHOW(submit(context, 1, NULL)), SHOW(submit(context, 1, (struct iocb *[]){NULL})), SHOW(submit(1, 1, NULL)), SHOW(events(1, 0, 0, NULL, NULL)), SHOW(events(context, -1, 1, NULL, NULL)), SHOW(events(context, 2, 1, NULL, NULL)), SHOW(events(context, 0, 0, NULL, NULL)), SHOW(events(context, 1, 1, NULL, (void *)8)), SHOW(events(1, 1, 1, NULL, (void *)8));
    ask("write", made(IOCB_CMD_PWRITE, file, "hello, world", 12, 0)), ask("write beyond", made(IOCB_CMD_PWRITE, file, "far", 3, 5000)), ask("read", made(IOCB_CMD_PREAD, file, text, 5, 7)), printf("%s\n", text), ask("read at the end", made(IOCB_CMD_PREAD, file, text, 5, 5003)), ask("short", made(IOCB_CMD_PREAD, file, text, 50, 4990)), ask("nothing", made(IOCB_CMD_PREAD, file, text, 0, 0)), ask("nothing written", made(IOCB_CMD_PWRITE, file, text, 0, 9000)), ask("append", made(IOCB_CMD_PWRITE, appends, "end", 3, 0));
    struct iovec parts[] = {{text, 3}, {text + 10, 4}}, wrong[] = {{text, -1}};
    ask("vector", made(IOCB_CMD_PREADV, file, parts, 2, 0)), printf("%.3s %.4s\n", text, text + 10), ask("written vector", made(IOCB_CMD_PWRITEV, file, parts, 2, 100)), ask("wrong vector", made(IOCB_CMD_PREADV, file, wrong, 1, 0)), ask("long vector", made(IOCB_CMD_PREADV, file, parts, 1025, 0)), ask("no vector", made(IOCB_CMD_PREADV, file, (void *)8, 1, 0));
    ask("sync", made(IOCB_CMD_FSYNC, file, NULL, 0, 0)), ask("data sync", made(IOCB_CMD_FDSYNC, file, NULL, 0, 0)), ask("sync with bytes", made(IOCB_CMD_FSYNC, file, NULL, 1, 0)), ask("sync of a pipe", made(IOCB_CMD_FSYNC, pair[0], NULL, 0, 0));
    ask("opcode 4", made(4, file, text, 1, 0)), ask("noop", made(IOCB_CMD_NOOP, file, NULL, 0, 0)), ask("opcode 99", made(99, file, text, 1, 0));
    ask("no file", made(IOCB_CMD_PREAD, 99, text, 1, 0)), ask("a path", made(IOCB_CMD_PREAD, path, text, 1, 0)), ask("only writes", made(IOCB_CMD_PREAD, only_writes, text, 1, 0)), ask("only reads", made(IOCB_CMD_PWRITE, only_reads, text, 1, 0)), ask("folder", made(IOCB_CMD_PREAD, folder, text, 1, 0)), ask("negative offset", made(IOCB_CMD_PREAD, file, text, 1, -1)), ask("negative bytes", made(IOCB_CMD_PREAD, file, text, -1, 0)), ask("bad buffer", made(IOCB_CMD_PREAD, file, (void *)8, 4, 0)), ask("kernel's buffer", made(IOCB_CMD_PREAD, file, (void *)(1ull << 63), 4, 0)), ask("edge", made(IOCB_CMD_PREAD, file, page + 4090, 100, 0)), ask("bad source", made(IOCB_CMD_PWRITE, file, (void *)8, 4, 0));
    struct iocb reserved = made(IOCB_CMD_PREAD, file, text, 1, 0);
    reserved.aio_reserved2 = 1, ask("reserved", reserved);
    struct iocb counted = made(IOCB_CMD_PREAD, file, text, 1, 0);
    counted.aio_flags = IOCB_FLAG_RESFD, counted.aio_resfd = counter, ask("counted", counted), ask("counted", counted);
    uint64_t sum = 0;
    SHOW(read(counter, &sum, 8)), printf("%lu\n", (long)sum), counted.aio_resfd = file, ask("counted by a file", counted), counted.aio_resfd = 99, ask("counted by nothing", counted);
    ask("empty pipe", made(IOCB_CMD_PREAD, pair[0], text, 1, 0)), write(pair[1], "pipe", 4), ask("pipe", made(IOCB_CMD_PREAD, pair[0], text, 9, 77)), close(pair[0]), signal(SIGPIPE, SIG_IGN), ask("broken pipe", made(IOCB_CMD_PWRITE, pair[1], text, 1, 0));
    struct iocb first = made(IOCB_CMD_PREAD, file, text, 1, 0), second = made(IOCB_CMD_PREAD, file, text, 2, 0), bad = made(99, file, text, 1, 0), *list[] = {&first, &second, &bad, &first}, *many[300];
    struct io_event into[300];
    struct timespec zero = {0}, little = {0, 20000000};
    SHOW(submit(context, 4, list)), SHOW(events(context, 1, 1, into, NULL)), SHOW(events(context, 3, 3, into, &zero)), printf("%lld\n", into[0].res), SHOW(events(context, 1, 3, into, &little)), SHOW(submit(context, 1, list)), SHOW(events(context, 1, 1, (void *)8, NULL)), SHOW(events(context, 1, 1, into, NULL));
    for (int i = 0; i < 300; i++) many[i] = &first;
    long taken = submit(context, 300, many);
    CHECK(taken >= 8 && taken < 300), errno = 0, CHECK(submit(context, 1, many) == -1 && errno == EAGAIN), CHECK(events(context, taken, 300, into, NULL) == taken);
    SHOW(syscall(SYS_io_cancel, context, &first, into)), SHOW(syscall(SYS_io_cancel, context, NULL, into)), first.aio_key = 1, SHOW(syscall(SYS_io_cancel, context, &first, into)), SHOW(syscall(SYS_io_cancel, 1, &second, into));
    pthread_t thread = start(2);
    SHOW(submit(context, 2, list)), finish(thread);
    struct sigaction restart = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &restart, NULL), thread = start(1), pthread_kill(thread, SIGUSR1), finish(thread), thread = start(2), SHOW(submit(context, 1, list)), await_asleep(sleeper), pthread_kill(thread, SIGUSR1), finish(thread);
    sigset_t none;
    sigemptyset(&none);
    struct { sigset_t *mask; size_t size; } with = {&none, 8}, odd = {&none, 7};
    SHOW(syscall(SYS_io_pgetevents, context, 1, 1, into, &zero, &with)), SHOW(syscall(SYS_io_pgetevents, context, 1, 1, into, &zero, &odd)), SHOW(syscall(SYS_io_pgetevents, context, 1, 1, into, &zero, NULL)), SHOW(syscall(SYS_io_pgetevents, context, 1, 1, into, &zero, (void *)8));
    IN_CHILD("child", SHOW(submit(context, 0, NULL)));
    thread = start(1), SHOW(syscall(SYS_io_destroy, context)), finish(thread), SHOW(syscall(SYS_io_destroy, context)), SHOW(submit(context, 0, NULL)), show_file("/proc/sys/fs/aio-max-nr");
    unlink(name);
    return 0;
}
