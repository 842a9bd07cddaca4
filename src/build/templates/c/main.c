/* Answers a call: the body is standard input, the answer standard output, variables of the request are in the environment. */
#include <stdio.h>

int main(void) {
    char name[1024];
    size_t len = fread(name, 1, sizeof name, stdin);
    if (ferror(stdin))
        return 1;
    if (len == 0)
        return printf("Hello, world!\n") < 0;
    return printf("Hello, %.*s!\n", (int)len, name) < 0;
}
