// A program without bounds meets its limit with an error of Linux, and goes on as before once it has given back what it
// took: limits memory | mappings | children | descriptors | threads | files | sockets
#include "../guest/children.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
static long free_pages(void) {
    struct sysinfo info;
    NEED(sysinfo(&info));
    return info.freeram * info.mem_unit / 4096;
}
static void raise_limits(void) {
    int all[] = {RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_SIGPENDING};
    for (int i = 0; i < 3; i++) {
        struct rlimit limit;
        getrlimit(all[i], &limit), limit.rlim_cur = limit.rlim_max, setrlimit(all[i], &limit);
    }
}
// A child that touches more than there is; Linux ends it, and nobody else.
static void memory(void) {
    for (int round = 0; round < 3; round++) {
        int status;
        pid_t pid = NEED(fork());
        if (pid == 0) {
            for (;;) {
                char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (more == MAP_FAILED) _exit(errno == ENOMEM ? 12 : 99);
                memset(more, 1, 1 << 20);
            }
        }
        NEED(waitpid(pid, &status, 0));
        printf("eater: %s\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL || WIFEXITED(status) && WEXITSTATUS(status) == 12 ? "ended" : "WRONG");
    }
    printf("more than there is: %s\n", malloc(1UL << 40) ? "given" : error_name(errno));
}
static void mappings(void) {
    long made = 0;
    char *first = mmap(NULL, 1UL << 32, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (first == MAP_FAILED) exit(3);
    while (made < 1000000 && !mprotect(first + made * 8192, 4096, PROT_READ)) made++;
    printf("mappings: %s after %s\n", error_name(errno), made > 10000 ? "many" : "few");
    munmap(first, 1UL << 32);
}
static void children(void) {
    int gate[2];
    long made = 0;
    pid_t pid;
    NEED(pipe(gate));
    while (made < 1000000 && (pid = fork()) > 0) made++;
    if (pid == 0) {
        char byte;
        close(gate[1]), read(gate[0], &byte, 1), _exit(0);
    }
    printf("children: %s after %s\n", error_name(errno), made > 50 ? "many" : "few");
    close(gate[0]), close(gate[1]);
    for (; made > 0; made--) NEED(wait(NULL));
}
static void descriptors(void) {
    long made = 0;
    int last = 0, fd;
    while (made < 2000000 && (fd = open("/dev/null", O_RDONLY)) >= 0) last = fd, made++;
    printf("descriptors: %s after %s\n", error_name(errno), made > 900 ? "many" : "few");
    if (fd == -1) { int pair[2]; printf("pipe: %s\n", pipe(pair) ? error_name(errno) : "made"); }
    for (; last > 2; last--) close(last);
}
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *waiter(void *unused) { return pthread_mutex_lock(&gate), pthread_mutex_unlock(&gate), unused; }
static void threads(void) {
    enum { MOST = 200000 };
    pthread_t *all = mmap(NULL, MOST * sizeof *all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes), pthread_attr_setstacksize(&attributes, 16384);
    pthread_mutex_lock(&gate);
    long made = 0;
    int error = 0;
    while (made < MOST && !(error = pthread_create(&all[made], &attributes, waiter, NULL))) made++;
    printf("threads: %s after %s\n", error_name(error), made > 100 ? "many" : "few");
    pthread_mutex_unlock(&gate);
    while (made > 0) pthread_join(all[--made], NULL);
    munmap(all, MOST * sizeof *all);
}
static void files(void) {
    static char bytes[65536];
    int fd = NEED(open("/tmp/eaten", O_WRONLY | O_CREAT | O_TRUNC, 0600));
    long written = 0;
    ssize_t count;
    while ((count = write(fd, bytes, sizeof bytes)) > 0) written += count;
    printf("bytes of a file: %s after %s\n", error_name(errno), written > 1 << 20 ? "many" : "few");
    close(fd), unlink("/tmp/eaten");
    long made = 0;
    char name[32];
    for (;; made++) {
        snprintf(name, 32, "/tmp/eaten-%ld", made);
        if ((fd = open(name, O_WRONLY | O_CREAT, 0600)) == -1) break;
        close(fd);
    }
    printf("files: %s after %s\n", error_name(errno), made > 1000 ? "many" : "few");
    while (made-- > 0) snprintf(name, 32, "/tmp/eaten-%ld", made), unlink(name);
}
static void sockets(void) {
    static char bytes[65536];
    long made = 0;
    int pair[2], last = 0;
    while (made < 1000000 && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)) {
        last = pair[1], made++;
        while (write(pair[0], bytes, sizeof bytes) > 0) {
        }
        if (errno != EAGAIN) break;
    }
    int error = errno;
    printf("sockets: %s after %s\n", error == ENOBUFS || error == EMFILE || error == ENOMEM ? "limited" : error_name(error), made > 10 ? "many" : "few");
    for (; last > 2; last--) close(last);
}
int main(int argc, char **argv) {
    const char *names[] = {"memory", "mappings", "children", "descriptors", "threads", "files", "sockets"};
    void (*all[])(void) = {memory, mappings, children, descriptors, threads, files, sockets};
    raise_limits(), setvbuf(stdout, NULL, _IOLBF, 4096);
    for (int i = 0; i < 7; i++) {
        if (argc != 2 || strcmp(argv[1], names[i])) continue;
        // What the system takes for itself at first stays with it for the next time. With it there is room for a few
        // more threads each time, until as many come as before.
        for (int round = 0; round < (all[i] == threads ? 6 : 1); round++) all[i]();
        long before = free_pages();
        all[i]();
        long after = free_pages();
        printf("%s\n", after + 64 >= before ? "given back" : "NOT given back");
        if (after + 64 < before) printf("%ld pages before, %ld after\n", before, after);
        IN_CHILD("a child that goes on", execl("/proc/self/exe", "limits", NULL));
    }
    return 0;
}
