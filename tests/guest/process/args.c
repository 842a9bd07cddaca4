// Arguments reach main as they were given: empty ones, spaces, UTF-8.
// args: one | two words |  | Grüße | -x=1 | --
#include "check.h"
int main(int argc, char **argv) {
    printf("%d\n", argc);
    for (int i = 1; i < argc; i++) printf("[%s]\n", argv[i]);
    CHECK(argv[argc] == NULL);
    return argc;
}
