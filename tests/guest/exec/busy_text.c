// A running program cannot be opened for writing or cut, and a file open for writing cannot be run: ETXTBSY.
// libc: musl
#include "children.h"
static char *args[] = {"x", "inner", NULL}, *env[] = {NULL};
int main(int argc, char **argv) {
    if (argc > 1) {
        SHOW(open("prog", O_WRONLY));
        SHOW(open("prog", O_RDWR));
        SHOW(open("prog", O_RDONLY | O_TRUNC));
        SHOW(truncate("prog", 10));
        SHOW(open("/proc/self/exe", O_WRONLY));
        TRY(open("prog", O_RDONLY));
        SHOW(chmod("prog", 0700));
        SHOW(rename("prog", "moved"));
        SHOW(open("moved", O_WRONLY));
        SHOW(rename("moved", "prog"));
        return 3;
    }
    enter_scratch();
    copy_self("prog");
    int writing = NEED(open("prog", O_WRONLY));
    SHOW(execve("./prog", args, env));
    close(writing);
    IN_CHILD("prog", execve("./prog", args, env));
    TRY(open("prog", O_WRONLY));
    SHOW(unlink("prog"));
    return 0;
}
