// Three programs joined by pipes, as a shell does it: generator, filter, counter.
#include "children.h"
#include <ctype.h>
static pid_t start(int in, int out, const char *role, int close1, int close2) {
    pid_t pid = NEED(fork());
    if (pid) return pid;
    dup2(in, 0), dup2(out, 1);
    for (int fd = 3; fd < 20; fd++) close(fd);
    execl("/proc/self/exe", "x", role, NULL), _exit(111);
}
int main(int argc, char **argv) {
    if (argc == 2 && argv[1][0] == 'g') {
        for (int i = 0; i < 20000; i++) printf("line %d of text\n", i);
        return 3;
    }
    if (argc == 2 && argv[1][0] == 'f') {
        setvbuf(stdout, NULL, _IOFBF, 8192);
        for (int c; (c = getchar()) != EOF;) putchar(toupper(c));
        return 4;
    }
    if (argc == 2 && argv[1][0] == 'c') {
        long lines = 0, sum = 0;
        for (int c; (c = getchar()) != EOF;) lines += c == '\n', sum += c;
        printf("%ld lines, sum %ld\n", lines, sum);
        return 5;
    }
    if (argc == 2 && argv[1][0] == 'h') { char b[100]; read(0, b, 100); return 6; }
    int a[2], b[2], status;
    NEED(pipe(a)), NEED(pipe(b)), fflush(stdout);
    pid_t one = start(0, a[1], "g", 0, 0), two = start(a[0], b[1], "f", 0, 0), three = start(b[0], 1, "c", 0, 0);
    close(a[0]), close(a[1]), close(b[0]), close(b[1]);
    waitpid(three, &status, 0), show_end("counter", status), waitpid(two, &status, 0), show_end("filter", status), waitpid(one, &status, 0), show_end("generator", status);
    NEED(pipe(a)), one = start(0, a[1], "g", 0, 0), two = start(a[0], 1, "h", 0, 0), close(a[0]), close(a[1]);
    waitpid(two, &status, 0), show_end("head", status), waitpid(one, &status, 0), show_end("generator without a reader", status);
    return 0;
}
