// Ten thousand forks and programs in one machine leave its free memory as it was: prints what is free before and after.
#include "../guest/children.h"
#include <spawn.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
static long free_pages(void) {
    struct sysinfo info;
    NEED(sysinfo(&info));
    return info.freeram * info.mem_unit / 4096;
}
static void end(pid_t pid, int code) {
    int status;
    while (waitpid(pid, &status, 0) != pid) if (errno != EINTR) exit(3);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) printf("a child ended with %x\n", status), exit(4);
}
static void rounds(int count, char *shared, char *own) {
    for (int i = 0; i < count; i++) {
        char text[8];
        int pair[2], code = i % 50;
        snprintf(text, 8, "%d", code);
        NEED(pipe(pair));
        pid_t pid = NEED(i % 4 == 3 ? vfork() : fork());
        if (pid == 0) {
            if (i % 2) execl("/proc/self/exe", "child", text, NULL), _exit(111);
            for (int page = 0; page < 16; page++) own[page * 4096 + 1] = i, shared[page * 4096] = i;
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
            write(pair[1], text, 8), _exit(code);
        }
        end(pid, code), close(pair[0]), close(pair[1]);
    }
}
int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[0], "child")) return atoi(argv[1]);
    int count = argc > 1 ? atoi(argv[1]) : 10000;
    int flags = MAP_ANONYMOUS | MAP_POPULATE, rw = PROT_READ | PROT_WRITE;
    char *shared = mmap(NULL, 65536, rw, MAP_SHARED | flags, -1, 0), *own = mmap(NULL, 65536, rw, MAP_PRIVATE | flags, -1, 0);
    rounds(500, shared, own);
    long before = free_pages();
    rounds(count, shared, own);
    long after = free_pages();
    printf("%d children: %ld free pages before, %ld after\n", count, before, after);
    return 0;
}
