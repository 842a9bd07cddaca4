// `#!` lines: an argument in one piece, spaces around it, chains, a limit of five, no interpreter's interpreter lost.
// libc: glibc
#include "children.h"
static char *env[] = {NULL};
static void script(const char *name, const char *text) { put_file(name, text), chmod(name, 0755); }
static void start(const char *name) {
    char *args[] = {"zero", "one", "two", NULL};
    IN_CHILD(name, execve(name, args, env); printf("%s\n", error_name(errno)));
}
int main(int argc, char **argv) {
    if (argc > 2 || (argc == 2 && strcmp(argv[0], "x"))) {
        for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
        printf("\n");
        return argc;
    }
    enter_scratch();
    copy_self("prog");
    script("plain", "#!./prog\n"), start("plain"), start("./plain");
    script("argument", "#!./prog -a -b  c \n"), start("./argument");
    script("spaces", "#!   \t ./prog\t x\t\n"), start("./spaces");
    script("noline", "#!./prog end"), start("./noline");
    script("crlf", "#!./prog\r\n"), start("./crlf");
    script("two", "#!./argument of two\n"), start("./two");
    script("three", "#!./two\n"), start("./three");
    script("four", "#!./three\n"), start("./four");
    script("five", "#!./four\n"), start("./five");
    script("six", "#!./five\n"), start("./six");
    script("self", "#!./self\n"), start("./self");
    script("dir", "#!.\n"), start("./dir");
    script("noexec", "#!./prog\n"), chmod("noexec", 0644), start("./noexec");
    char long_line[400] = "#!./prog ";
    memset(long_line + 9, 'y', 300), strcpy(long_line + 309, "\n");
    script("long", long_line), start("./long");
    memset(long_line + 2, 'y', 300);
    script("longname", long_line), start("./longname");
    const char *all[] = {"prog", "plain", "argument", "spaces", "noline", "crlf", "two", "three", "four", "five", "six", "self", "dir", "noexec", "long", "longname"};
    for (int i = 0; i < 16; i++) unlink(all[i]);
    return 0;
}
