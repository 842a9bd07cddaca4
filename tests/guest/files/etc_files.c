// /etc/hosts and its kin are there and readable, and a program can change its own copy.
// libc: musl
#include "check.h"
int main(void) {
    SHOW(access("/etc/hosts", R_OK)), SHOW(access("/etc/hostname", R_OK)), SHOW(access("/etc/resolv.conf", R_OK)), SHOW(access("/tmp", W_OK | X_OK)), SHOW(access("/proc", R_OK)), SHOW(access("/sys", R_OK)), SHOW(access("/dev", R_OK));
    struct stat s;
    SHOW(stat("/", &s)), printf("%o\n", s.st_mode & S_IFMT), SHOW(stat("/tmp", &s)), printf("%o\n", s.st_mode & 01777);
    FILE *f = fopen("/etc/hosts", "r");
    char line[256];
    int local = 0;
    while (f && fgets(line, 256, f)) local += strstr(line, "localhost") != NULL;
    CHECK(local > 0);
    return 0;
}
