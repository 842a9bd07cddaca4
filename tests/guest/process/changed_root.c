// chroot: what a path means inside, getcwd outside, who may.
// libc: musl
#include "children.h"
int main(void) {
    enter_scratch();
    mkdir("jail", 0755), mkdir("jail/sub", 0755), put_file("jail/f", "inside");
    char here[256];
    IN_CHILD("jailed", SHOW(chroot("jail")); SHOW(chdir("/")); show_file("/f"); show_file("/../f"); SHOW(access("/tmp", F_OK)); printf("%s\n", getcwd(here, 256)); chdir("sub"); printf("%s\n", getcwd(here, 256)); SHOW(chdir("../../..")); printf("%s\n", getcwd(here, 256)));
    IN_CHILD("outside", SHOW(chroot("jail")); char raw[256] = {0}; SHOW(syscall(SYS_getcwd, raw, 256) > 0); printf("%.13s\n", raw); show_file("jail/f"));
    SHOW(chroot("none")), SHOW(chroot("jail/f")), IN_CHILD("user", setresuid(5, 5, 5); SHOW(chroot("jail")));
    unlink("jail/f"), rmdir("jail/sub"), rmdir("jail");
    return 0;
}
