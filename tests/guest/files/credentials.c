// setuid, setresuid, setgroups and capabilities: what each changes and what an unprivileged process may.
// libc: musl
#include "children.h"
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
static void ids(void) {
    int r, e, s, rg, eg, sg;
    getresuid(&r, &e, &s), getresgid(&rg, &eg, &sg), printf("%d %d %d, %d %d %d\n", r, e, s, rg, eg, sg);
}
int main(void) {
    IN_CHILD("setuid", SHOW(setuid(7)); ids(); SHOW(setuid(0)); SHOW(setuid(7)));
    IN_CHILD("seteuid", SHOW(seteuid(7)); ids(); SHOW(seteuid(8)); SHOW(seteuid(0)); ids());
    IN_CHILD("setreuid", SHOW(setreuid(5, 6)); ids(); SHOW(setreuid(6, 5)); ids(); SHOW(setreuid(-1, 0)));
    IN_CHILD("setresuid", SHOW(setresuid(1, 2, 3)); ids(); SHOW(setresuid(3, 1, 2)); ids(); SHOW(setresuid(4, -1, -1)); SHOW(setresuid(-1, -1, -1)));
    IN_CHILD("groups", gid_t g[3] = {4, 2, 9}; gid_t got[3]; SHOW(setgroups(3, g)); SHOW(getgroups(0, NULL)); SHOW(getgroups(2, got)); SHOW(getgroups(3, got)); printf("%d %d %d\n", got[0], got[1], got[2]);
             SHOW(setgid(5)); SHOW(setuid(5)); SHOW(setgroups(0, NULL)); SHOW(setgid(9)); SHOW(setgid(5)); SHOW(setegid(5)); ids(); SHOW(setgroups(70000, g)); SHOW(getgroups(-1, got)));
    IN_CHILD("fsuid", SHOW(setfsuid(5)); SHOW(setfsuid(-1)); SHOW(setfsuid(0)); SHOW(setfsgid(3)); SHOW(setfsgid(-1)));
    IN_CHILD("keepcaps", SHOW(prctl(PR_GET_KEEPCAPS)); SHOW(prctl(PR_SET_KEEPCAPS, 1)); SHOW(prctl(PR_GET_KEEPCAPS)); SHOW(prctl(PR_SET_KEEPCAPS, 2)); SHOW(prctl(PR_CAPBSET_READ, 7)); SHOW(prctl(PR_CAPBSET_READ, 99)));
    IN_CHILD("no new privileges", SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    IN_CHILD("dumpable", SHOW(prctl(PR_GET_DUMPABLE)); SHOW(prctl(PR_SET_DUMPABLE, 0)); SHOW(prctl(PR_GET_DUMPABLE)); SHOW(prctl(PR_SET_DUMPABLE, 2)); SHOW(prctl(4711)));
    return 0;
}
