// A hundred kilobytes in one argument and thousands of small ones arrive whole.
// libc: musl
#include "children.h"
int main(int argc, char **argv) {
    if (argc > 1) {
        unsigned long sum = 0, length = 0;
        for (int i = 1; i < argc; i++)
            for (char *c = argv[i]; *c; c++) sum = sum * 31 + *c, length++;
        printf("%d arguments, %lu bytes, sum %lu\n", argc, length, sum);
        return 0;
    }
    char *big = malloc(100001), *args[] = {"x", big, NULL}, *env[] = {NULL};
    for (int i = 0; i < 100000; i++) big[i] = 'a' + i % 26;
    big[100000] = 0;
    IN_CHILD("one long", execve("/proc/self/exe", args, env));
    static char *many[3002], texts[3000][8];
    many[0] = "x";
    for (int i = 0; i < 3000; i++) snprintf(texts[i], 8, "%d", i), many[i + 1] = texts[i];
    IN_CHILD("many", execve("/proc/self/exe", many, env));
    return 0;
}
