// Arguments and environment at their limits and one byte beyond: each string 128 KiB with its NUL, all of them, with a
// pointer for each and the path, a quarter of the stack, of at least 128 KiB and at most 6 MiB.
// libc: glibc
#include "children.h"
#include <sys/mman.h>
#include <sys/resource.h>

#define STRING (128 << 10)
static char *text, **list;

// What the program says of itself when it was started again.
static int seen(int argc, char **argv, char **environment) {
    unsigned long bytes = 0, longest = 0;
    int count = argc;
    for (int i = 0; i < argc; i++) bytes += strlen(argv[i]) + 1, longest = strlen(argv[i]) > longest ? strlen(argv[i]) : longest;
    for (char **e = environment; *e; e++) count++, bytes += strlen(*e) + 1, longest = strlen(*e) > longest ? strlen(*e) : longest;
    printf("started with %d strings of %lu bytes, the longest of %lu\n", count, bytes, longest);
    return 0;
}

static void start(const char *what, char **args, char **env) {
    printf("%s: ", what), fflush(stdout);
    pid_t child = NEED(fork());
    if (child == 0) {
        execve("/proc/self/exe", args, env);
        printf("%s\n", error_name(errno)), fflush(stdout), _exit(0);
    }
    NEED(waitpid(child, NULL, 0));
}

// Starts it with strings that take `room` bytes in all: "x", those of 100,000 bytes, and one with what is left.
static void fill(const char *what, long room, int in_env) {
    char *args[2000] = {"x"}, *env[2000] = {NULL}, **to = in_env ? env : args + 1;
    room -= sizeof "/proc/self/exe" + sizeof "x" + 8;
    for (; room > 200000; room -= 100001 + 8) *to++ = text + STRING - 1 - 100000;
    // Two strings share what is left, so that none is beyond its own limit.
    long half = room / 2, rest = room - half;
    *to++ = text + STRING - 1 - (half - 9), *to++ = text + STRING - 1 - (rest - 9);
    start(what, args, env);
}

static void stack(rlim_t size) {
    struct rlimit limit;
    NEED(getrlimit(RLIMIT_STACK, &limit)), limit.rlim_cur = size, NEED(setrlimit(RLIMIT_STACK, &limit));
}

int main(int argc, char **argv, char **environment) {
    if (argc > 0 && argv[0][0] != '/') return seen(argc, argv, environment);
    if (argc > 0 && argv[0][0] == 0) return seen(argc, argv, environment);
    text = mmap(NULL, 2 * STRING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(text, 'a', STRING - 1);
    char *none[] = {NULL}, *longest[] = {"x", text, NULL}, *first[] = {text, NULL};
    stack(8 << 20);
    SHOW(sysconf(_SC_ARG_MAX));
    start("131071 bytes", longest, none), start("131071 bytes of environment", (char *[]){"x", NULL}, (char *[]){text, NULL}), start("a name of 131071 bytes", first, none);
    text[STRING - 1] = 'a';
    start("131072 bytes", longest, none), start("131072 bytes of environment", (char *[]){"x", NULL}, (char *[]){text, NULL});
    text[STRING - 1] = 0;
    fill("2 MiB", 2 << 20, 0), fill("2 MiB of environment", 2 << 20, 1), fill("2 MiB and a byte", (2 << 20) + 1, 0), fill("2 MiB and a byte of environment", (2 << 20) + 1, 1);
    list = malloc(8 * 300001), list[0] = "x";
    for (int i = 1; i < 300000; i++) list[i] = "";
    list[200000] = NULL, start("200000 strings", list, none), list[200000] = "", list[300000] = NULL, start("300000 strings", list, none), start("300000 variables", (char *[]){"x", NULL}, list);
    list[262144] = NULL, start("pointers of 2 MiB", list, none), list[233016] = NULL, start("233016 strings", list, none), list[233015] = NULL, start("233015 strings", list, none);
    stack(1 << 20), fill("1 MiB of stack: 256 KiB", 256 << 10, 0), fill("and a byte", (256 << 10) + 1, 0);
    stack(400 << 10), fill("400 KiB of stack: 128 KiB", 128 << 10, 1), fill("and a byte", (128 << 10) + 1, 1);
    stack(16 << 20), fill("16 MiB of stack: 4 MiB", 4 << 20, 0), fill("and a byte", (4 << 20) + 1, 0);
    stack(64 << 20), fill("64 MiB of stack: 6 MiB", 6 << 20, 0), fill("and a byte", (6 << 20) + 1, 1);
    stack(8 << 20);
    // What comes first: the file, then both arrays, then the environment, then the arguments, each from its last string.
    char **nowhere = (char **)16, *bad[] = {(char *)16, NULL}, *long_bad[] = {"x", (char *)16, text + 1, NULL}, *bad_long[] = {"x", text, (char *)16, NULL};
    text[STRING - 1] = text[STRING] = 'a';
    SHOW(execve("missing", bad, nowhere)), SHOW(execve("/proc/self/exe", nowhere, none)), SHOW(execve("/proc/self/exe", none, nowhere)), SHOW(execve("/proc/self/exe", bad, none)), SHOW(execve("/proc/self/exe", none, bad)), SHOW(execve("/proc/self/exe", long_bad, none)), SHOW(execve("/proc/self/exe", bad_long, none)), SHOW(execve("/proc/self/exe", bad, (char *[]){text, NULL})), SHOW(execve("/proc/self/exe", longest, bad)), SHOW(execve("/proc/self/exe", list, nowhere));
    SHOW(execve("/proc", longest, none)), SHOW(execve("/proc/self/status", longest, none));
    return 0;
}
