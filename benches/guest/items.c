// What a system call, a switch, a fork and their like cost: one line per item, its name and nanoseconds for one.
//
// The same binary runs natively and in a machine. Each item is repeated until it has taken long enough to be measured.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define PAGE 4096

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}
static void need(long result) {
    if (result == -1) perror("a call failed"), exit(1);
}
static const char *self;

static void system_calls(long count) {
    while (count-- > 0) syscall(SYS_getppid);
}
static void switches(long count) {
    int to[2], from[2];
    char byte = 0;
    need(pipe(to)), need(pipe(from));
    pid_t pid = fork();
    need(pid);
    if (pid == 0) {
        close(to[1]);
        while (read(to[0], &byte, 1) == 1) write(from[1], &byte, 1);
        _exit(0);
    }
    // There and back are two.
    for (long i = 0; i < count; i += 2) write(to[1], &byte, 1), read(from[0], &byte, 1);
    close(to[0]), close(to[1]), close(from[0]), close(from[1]), waitpid(pid, NULL, 0);
}
static uint32_t word;
static long turns;
static void pass(uint32_t own, uint32_t other) {
    for (;;) {
        while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == other) syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, other, NULL, NULL, 0);
        long left = turns--;
        __atomic_store_n(&word, other, __ATOMIC_RELEASE), syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        if (left <= 1) return;
    }
    (void)own;
}
static void *second(void *unused) { return pass(2, 1), unused; }
static void futexes(long count) {
    pthread_t thread;
    word = 1, turns = count;
    pthread_create(&thread, NULL, second, NULL), pass(1, 2), pthread_join(thread, NULL);
}
static void *nothing(void *unused) { return unused; }
static void threads(long count) {
    while (count-- > 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL)) exit(1);
        pthread_join(thread, NULL);
    }
}
static void forks(long count) {
    while (count-- > 0) {
        pid_t pid = fork();
        need(pid);
        if (pid == 0) _exit(0);
        waitpid(pid, NULL, 0);
    }
}
static void programs(long count) {
    while (count-- > 0) {
        pid_t pid = vfork();
        need(pid);
        if (pid == 0) execl(self, self, "--nothing", NULL), _exit(1);
        waitpid(pid, NULL, 0);
    }
}
static void faults(long count) {
    enum { PAGES = 16384 };
    while (count > 0) {
        char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) exit(1);
        madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE);
        for (long i = 0; i < PAGES && count > 0; i++, count--) memory[i * PAGE] = 1;
        munmap(memory, PAGES * PAGE);
    }
}
static void mappings(long count) {
    while (count-- > 0) {
        void *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) exit(1);
        munmap(memory, 65536);
    }
}
static void files(long count) {
    char bytes[PAGE];
    while (count-- > 0) {
        int fd = open(self, O_RDONLY);
        need(fd), need(read(fd, bytes, PAGE)), close(fd);
    }
}
static void *drain(void *fd) {
    static char bytes[65536];
    while (read(*(int *)fd, bytes, sizeof bytes) > 0) {
    }
    return NULL;
}
static void loopback(long count) {
    static char bytes[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server;
    pthread_t reader;
    need(bind(listener, (void *)&address, sizeof address)), need(listen(listener, 1)), getsockname(listener, (void *)&address, &size);
    need(connect(client, (void *)&address, sizeof address)), need(server = accept(listener, NULL, NULL));
    pthread_create(&reader, NULL, drain, &server);
    for (long left = count << 20; left > 0;) {
        ssize_t sent = write(client, bytes, sizeof bytes);
        need(sent), left -= sent;
    }
    close(client), pthread_join(reader, NULL), close(server), close(listener);
}
static const struct {
    const char *name;
    void (*run)(long count);
} ITEMS[] = {
    {"system_call", system_calls}, {"switch_by_pipe", switches}, {"futex_ping_pong", futexes}, {"thread_create_join", threads},
    {"fork_exit", forks}, {"fork_exec", programs}, {"page_fault", faults}, {"mmap_munmap", mappings},
    {"open_read_close", files}, {"loopback_tcp_1MiB", loopback},
};
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--nothing")) _exit(0);
    double wanted_ns = argc > 1 ? atof(argv[1]) * 1e6 : 200e6;
    self = "/proc/self/exe";
    static char path[PAGE];
    ssize_t length = readlink(self, path, PAGE - 1);
    if (length > 0) self = path;
    for (unsigned i = 0; i < sizeof ITEMS / sizeof *ITEMS; i++) {
        int64_t took = 0;
        long count = 1;
        for (;;) {
            int64_t before = now();
            ITEMS[i].run(count), took = now() - before;
            if (took >= wanted_ns) break;
            // Towards the time that is wanted, a bit beyond, and never by more than a hundredfold.
            double factor = took > 0 ? wanted_ns / took * 1.1 : 100;
            count = count * (factor > 100 ? 100 : factor) + 1;
        }
        printf("%s %.1f\n", ITEMS[i].name, (double)took / count);
        fflush(stdout);
    }
    return 0;
}
