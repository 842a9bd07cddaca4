// Process, group, session and user numbers hang together.
#include "check.h"
int main(void) {
    CHECK(getpid() > 0);
    CHECK(syscall(SYS_gettid) == getpid());
    CHECK(getpgrp() == getpgid(0));
    CHECK(getsid(0) == getsid(getpid()));
    CHECK(getuid() == geteuid());
    CHECK(getgid() == getegid());
    uid_t real, effective, saved;
    SHOW(getresuid(&real, &effective, &saved));
    CHECK(real == effective && effective == saved);
    gid_t rgid, egid, sgid;
    SHOW(getresgid(&rgid, &egid, &sgid));
    CHECK(rgid == egid && egid == sgid);
    CHECK(getgroups(0, NULL) >= 0);
    SHOW(getpgid(4999999));
    SHOW(kill(4999999, 0));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 65));
    SHOW(setuid(getuid()));
    SHOW(setgid(getgid()));
    return 0;
}
