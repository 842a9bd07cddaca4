// Who may read, write, search and change what, as an unprivileged user with groups; access against faccessat.
// libc: glibc
#include "children.h"
#include <grp.h>
static void probe(const char *path) {
    printf("%s:%s%s%s\n", path, access(path, R_OK) ? "" : " r", access(path, W_OK) ? "" : " w", access(path, X_OK) ? "" : " x");
    printf("  %s %s\n", open(path, O_RDONLY) >= 0 ? "opens" : error_name(errno), open(path, O_WRONLY) >= 0 ? "opens" : error_name(errno));
}
int main(void) {
    enter_scratch();
    chmod(".", 0755);
    int owners[][3] = {{1, 1, 0400}, {1, 1, 0200}, {1, 1, 0070}, {2, 1, 0070}, {2, 9, 0060}, {2, 5, 0007}, {2, 5, 0004}, {1, 5, 0077}, {0, 0, 0000}};
    char name[16];
    for (int i = 0; i < 9; i++) snprintf(name, 16, "f%d", i), put_file(name, "x"), chmod(name, owners[i][2]), chown(name, owners[i][0], owners[i][1]);
    mkdir("closed", 0700), put_file("closed/f", "x"), mkdir("search", 0711), put_file("search/f", "x"), mkdir("sticky", 01777), put_file("sticky/root", "x"), mkdir("theirs", 0777), put_file("theirs/root", "x");
    gid_t groups[] = {9};
    IN_CHILD("user", setgroups(1, groups); setresgid(1, 1, 1); setresuid(1, 1, 1); for (int i = 0; i < 9; i++) { snprintf(name, 16, "f%d", i); probe(name); }
             SHOW(open("closed/f", O_RDONLY)); SHOW(open("search/f", O_RDONLY) > 0); SHOW(open("search", O_RDONLY)); SHOW(open("search/new", O_CREAT | O_WRONLY, 0644)); SHOW(unlink("sticky/root")); SHOW(rename("sticky/root", "sticky/x")); SHOW(unlink("theirs/root"));
             SHOW(chmod("f8", 0777)); SHOW(chown("f0", 2, 1)); SHOW(chown("f0", -1, 9)); SHOW(chown("f0", -1, 5)); SHOW(chmod("f0", 06755)); SHOW(utimensat(AT_FDCWD, "f8", NULL, 0)); SHOW(utimensat(AT_FDCWD, "f3", (struct timespec[2]){{1, 0}, {1, 0}}, 0)); SHOW(truncate("f8", 0)); SHOW(mkdir("x", 0755)); SHOW(mknod("n", S_IFCHR | 0600, 0x103)));
    IN_CHILD("root without capabilities' need", for (int i = 0; i < 9; i += 4) { snprintf(name, 16, "f%d", i); probe(name); });
    IN_CHILD("real and effective", setresuid(1, 0, 0); SHOW(access("closed/f", R_OK)); SHOW(faccessat(AT_FDCWD, "closed/f", R_OK, AT_EACCESS)); SHOW(access("f0", 8)); SHOW(syscall(439, AT_FDCWD, "f0", R_OK, 0x4000)));
    for (int i = 0; i < 9; i++) snprintf(name, 16, "f%d", i), unlink(name);
    unlink("closed/f"), rmdir("closed"), unlink("search/f"), rmdir("search"), unlink("sticky/root"), rmdir("sticky"), rmdir("theirs");
    return 0;
}
