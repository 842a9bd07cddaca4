// What owner, group and others may do, and what they may not, seen as an unprivileged user.
#include "check.h"
#include <sys/wait.h>
#include <grp.h>
int main(void) {
    if (getuid() != 0) { puts("needs root"); return 0; }
    enter_scratch();
    chmod(".", 0755);
    put_file("owner", "o"), chown("owner", 1000, 0), chmod("owner", 0600);
    put_file("group", "g"), chown("group", 0, 2000), chmod("group", 0640);
    put_file("other", "x"), chmod("other", 0604);
    put_file("none", "n"), chmod("none", 0);
    put_file("setuid", "s"), chown("setuid", 1000, 2000), chmod("setuid", 06755);
    mkdir("locked", 0700), mkdir("sticky", 01777), chmod("sticky", 01777), mkdir("open", 0777), chmod("open", 0777);
    put_file("sticky/root", "r"), put_file("open/root", "r");
    SHOW(access("none", R_OK | W_OK));
    SHOW(access("none", X_OK));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        gid_t groups[] = {2000};
        NEED(setgroups(1, groups)), NEED(setgid(1000)), NEED(setuid(1000));
        SHOW(open("owner", O_RDWR) >= 0);
        SHOW(open("group", O_RDONLY) >= 0);
        SHOW(open("group", O_RDWR));
        SHOW(open("other", O_RDONLY) >= 0);
        SHOW(open("other", O_WRONLY));
        SHOW(open("none", O_RDONLY));
        SHOW(access("group", W_OK));
        SHOW(open("new", O_CREAT | O_WRONLY, 0644));
        SHOW(mkdir("new", 0755));
        SHOW(open("locked/x", O_RDONLY));
        SHOW(chdir("locked"));
        SHOW(unlink("sticky/root"));
        SHOW(rename("sticky/root", "sticky/mine"));
        SHOW(unlink("open/root"));
        SHOW(chmod("owner", 0644));
        SHOW(chmod("group", 0644));
        SHOW(chown("owner", 0, -1));
        SHOW(chown("owner", -1, 2000));
        SHOW(chown("owner", -1, 3000));
        SHOW(chown("owner", 1000, -1));
        SHOW(chown("setuid", -1, 2000));
        struct stat st;
        stat("setuid", &st);
        printf("%o\n", st.st_mode);
        SHOW(truncate("other", 0));
        SHOW(mknod("open/dev", S_IFCHR | 0666, 0x103));
        SHOW(mknod("open/fifo", S_IFIFO | 0666, 0));
        SHOW(utimensat(AT_FDCWD, "other", NULL, 0));
        SHOW(link("none", "open/none") == -1);
        SHOW(symlink("x", "link"));
        SHOW(chroot("open"));
        SHOW(open("open/mine", O_CREAT | O_RDWR, 0000) >= 0);
        SHOW(open("open/mine", O_RDWR));
        SHOW(unlink("open/mine"));
        SHOW(unlink("open/fifo"));
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    unlink("owner"), unlink("group"), unlink("other"), unlink("none"), unlink("setuid"), unlink("sticky/root");
    rmdir("locked"), rmdir("sticky"), rmdir("open");
    return 0;
}
