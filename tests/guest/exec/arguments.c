// execve passes arguments and environment as they are, empty ones too.
// libc: glibc
#include "children.h"
extern char **environ;
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "inner")) {
        printf("%s: %d arguments\n", argv[0], argc);
        for (int i = 0; i < argc; i++) printf("[%s]\n", argv[i]);
        for (char **e = environ; *e; e++) printf("{%s}\n", *e);
        return 12;
    }
    char *args[] = {"any name", "inner", "", "with space", "=", NULL}, *env[] = {"A=1", "EMPTY=", "odd", "A=2", NULL};
    IN_CHILD("exec", execve("/proc/self/exe", args, env); SHOW(errno));
    char *none[] = {NULL};
    IN_CHILD("empty environment", execve("/proc/self/exe", args, none); SHOW(errno));
    IN_CHILD("null environment", execve("/proc/self/exe", args, NULL); SHOW(errno));
    return 0;
}
