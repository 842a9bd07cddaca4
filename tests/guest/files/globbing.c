// glob: patterns, order, hidden names, marks and errors.
#include "check.h"
#include <glob.h>
static void show(const char *pattern, int flags) {
    glob_t g = {0};
    int r = glob(pattern, flags, NULL, &g);
    printf("%s: %s", pattern, r == 0 ? "" : r == GLOB_NOMATCH ? "no match" : "error");
    for (size_t i = 0; r == 0 && i < g.gl_pathc; i++) printf(" %s", g.gl_pathv[i]);
    printf("\n"), globfree(&g);
}
int main(void) {
    enter_scratch();
    const char *names[] = {"b1", "a2", "a1", ".hidden", "c-3", "d/e1", "d/e2", "[x]"};
    mkdir("d", 0755);
    for (int i = 0; i < 8; i++) put_file(names[i], "");
    show("*", 0), show("a?", 0), show("[ab]1", 0), show("[!a]*", 0), show(".*n", 0), show("*/e*", 0), show("*", GLOB_MARK), show("z*", 0), show("z*", GLOB_NOCHECK), show("\\[x\\]", 0), show("d/", 0), show("none/*", GLOB_ERR);
    for (int i = 0; i < 8; i++) unlink(names[i]);
    rmdir("d");
    return 0;
}
