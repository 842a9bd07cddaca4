// The auxiliary vector has what a C library and a language runtime need.
#include "check.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
int main(int argc, char **argv) {
    (void)argc;
    CHECK(getauxval(AT_PAGESZ) == 4096);
    CHECK(getauxval(AT_PHENT) == sizeof(ElfW(Phdr)));
    CHECK(getauxval(AT_PHNUM) > 2);
    CHECK(getauxval(AT_PHDR) != 0);
    CHECK(getauxval(AT_ENTRY) != 0);
    CHECK(getauxval(AT_UID) == getuid());
    CHECK(getauxval(AT_EUID) == geteuid());
    CHECK(getauxval(AT_GID) == getgid());
    CHECK(getauxval(AT_EGID) == getegid());
    CHECK(getauxval(AT_SECURE) == 0);
    CHECK(getauxval(AT_CLKTCK) == 100);
    CHECK(getauxval(AT_RANDOM) != 0);
    CHECK(getauxval(AT_SYSINFO_EHDR) != 0);
    CHECK(getauxval(AT_HWCAP) != 0);
    const char *name = (const char *)getauxval(AT_EXECFN);
    const char *mine = strrchr(argv[0], '/'), *its = name ? strrchr(name, '/') : NULL;
    CHECK(its && mine && strcmp(its, mine) == 0);
    const char *platform = (const char *)getauxval(AT_PLATFORM);
    printf("%s\n", platform ? platform : "(none)");
    const uint64_t *random = (const uint64_t *)getauxval(AT_RANDOM);
    CHECK(random[0] != 0 && random[1] != 0 && random[0] != random[1]);
    return 0;
}
