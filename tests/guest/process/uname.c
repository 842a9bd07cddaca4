// uname says Linux on x86-64, with a version that C libraries accept.
#include "check.h"
#include <sys/utsname.h>
int main(void) {
    struct utsname name;
    SHOW(uname(&name));
    printf("%s %s\n", name.sysname, name.machine);
    int major = 0, minor = 0;
    CHECK(sscanf(name.release, "%d.%d", &major, &minor) == 2 && major >= 4);
    CHECK(name.version[0] != 0);
    CHECK(name.nodename[0] != 0);
    char host[65];
    SHOW(gethostname(host, sizeof host));
    CHECK(strcmp(host, name.nodename) == 0);
    SHOW(syscall(SYS_uname, 8L));
    return 0;
}
