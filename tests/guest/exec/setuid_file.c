// A set-user-id program started by an unprivileged user has its owner's effective id, and not with no_new_privs.
// libc: glibc
#include "children.h"
#include <sys/auxv.h>
#include <sys/prctl.h>
static char *args[] = {"x", "inner", NULL}, *env[] = {NULL};
int main(int argc, char **argv) {
    if (argc > 1) {
        uid_t r, e, s;
        getresuid(&r, &e, &s);
        printf("%d %d %d\n", r, e, s);
        getresgid(&r, &e, &s);
        printf("%d %d %d, secure %d\n", r, e, s, (int)getauxval(AT_SECURE));
        return 0;
    }
    enter_scratch();
    chmod(".", 0755);
    copy_self("prog");
    chown("prog", 1234, 2345);
    chmod("prog", 06755);
    IN_CHILD("root", execve("prog", args, env));
    IN_CHILD("user", setresgid(77, 77, 77); setresuid(88, 88, 88); execve("prog", args, env));
    IN_CHILD("no new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); setresuid(88, 88, 88); execve("prog", args, env));
    chmod("prog", 0700);
    IN_CHILD("not executable by others", setresuid(88, 88, 88); SHOW(execve("prog", args, env)));
    chmod("prog", 0711);
    IN_CHILD("executable and unreadable", setresuid(88, 88, 88); execve("prog", args, env));
    unlink("prog");
    return 0;
}
