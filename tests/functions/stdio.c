// A function for tests that takes its call on standard input and answers on standard output, as the request's path asks.
//
//   /echo        the body                      /env        the environment
//   /exit/N      "text", then status N         /quiet/N    nothing, then status N
//   /bytes/N/S   N bytes, then status S        /count      the number of calls of this process
//   /random      16 bytes of the kernel and the 16 that the C library started with, in hex
//   /file/PATH   the content of a file         /late       the file of REQUEST_ENV_FILE, once the body has come
//   /crash       a fault                       /spin       never ends            /unread     "ok", body not read
//   /log         a line on standard error, then "ok"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

extern char **environ;
static unsigned long count;
static char block[65536];

static int copy(int from) {
    ssize_t got;
    while ((got = read(from, block, sizeof block)) > 0)
        for (ssize_t done = 0, put; done < got; done += put)
            if ((put = write(1, block + done, got - done)) <= 0) return 1;
    return got < 0;
}

static int show(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        printf("cannot open %s\n", path);
        return 4;
    }
    fflush(stdout);
    int result = copy(fileno(file));
    fclose(file);
    return result;
}

static int bytes(const char *rest) {
    unsigned long long left = strtoull(rest, (char **)&rest, 10);
    while (left > 0) {
        ssize_t put = write(1, block, left < sizeof block ? left : sizeof block);
        if (put <= 0) return 5;
        left -= put;
    }
    return *rest == '/' ? atoi(rest + 1) : 0;
}

static void hex(const unsigned char *bytes) {
    for (int at = 0; at < 16; at++) printf("%02x", bytes[at]);
    printf("\n");
}

int main(void) {
    count++;
    const char *file = getenv("REQUEST_ENV_FILE");
    if (file) {
        // It runs already when its call comes: the first read is what it waits in.
        size_t got = fread(block, 1, sizeof block, stdin);
        printf("%lu %zu\n", count, got);
        return show(file);
    }
    const char *path = getenv("PATH_INFO");
    if (!path) return 99;
    if (!strcmp(path, "/echo")) return copy(0);
    if (!strcmp(path, "/count")) return printf("%lu\n", count), 0;
    if (!strcmp(path, "/unread")) return puts("ok"), 0;
    if (!strcmp(path, "/log")) return fputs("a line for the log\n", stderr), puts("ok"), 0;
    if (!strncmp(path, "/exit/", 6)) return puts("text"), atoi(path + 6);
    if (!strncmp(path, "/quiet/", 7)) return atoi(path + 7);
    if (!strncmp(path, "/bytes/", 7)) return bytes(path + 7);
    if (!strncmp(path, "/file/", 6)) return show(path + 5);
    if (!strcmp(path, "/env")) {
        for (char **variable = environ; *variable; variable++) puts(*variable);
        return 0;
    }
    if (!strcmp(path, "/random")) {
        unsigned char random[16];
        if (getrandom(random, sizeof random, 0) != sizeof random) return 1;
        hex(random);
        hex((unsigned char *)getauxval(AT_RANDOM));
        return 0;
    }
    if (!strcmp(path, "/crash")) *(volatile int *)8 = 1;
    while (!strcmp(path, "/spin")) count++;
    return 98;
}
