// prctl: a thread's name, dumpable, no_new_privs, and what is unknown.
#include "check.h"
#include <sys/prctl.h>
int main(void) {
    char name[16];
    SHOW(prctl(PR_SET_NAME, "a name that is much too long"));
    SHOW(prctl(PR_GET_NAME, name));
    puts(name);
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(12345, 0, 0, 0, 0));
    return 0;
}
