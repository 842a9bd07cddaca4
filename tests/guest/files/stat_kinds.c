// stat tells files, directories, links, pipes and devices apart, with size, mode and link count.
#include "check.h"
#include <sys/sysmacros.h>
static void show(const char *path) {
    struct stat s;
    if (lstat(path, &s) == -1) {
        printf("%s: %s\n", path, error_name(errno));
        return;
    }
    printf("%s: %o", path, (unsigned)s.st_mode);
    if (S_ISREG(s.st_mode)) printf(" size %ld links %ld", (long)s.st_size, (long)s.st_nlink);
    if (S_ISLNK(s.st_mode)) printf(" size %ld", (long)s.st_size);
    if (S_ISCHR(s.st_mode)) printf(" device %u:%u", major(s.st_rdev), minor(s.st_rdev));
    puts("");
}
int main(void) {
    enter_scratch();
    put_file("file", "12345");
    mkdir("dir", 0750);
    symlink("file", "link");
    link("file", "hard");
    mkfifo("fifo", 0600);
    show("file");
    show("dir");
    show("link");
    show("hard");
    show("fifo");
    show("absent");
    show("file/x");
    show("/dev/null");
    show("/dev/zero");
    struct stat s, t;
    SHOW(stat("link", &s));
    SHOW(stat("hard", &t));
    CHECK(s.st_ino == t.st_ino && s.st_dev == t.st_dev);
    SHOW(fstat(0x7777, &s));
    SHOW(syscall(SYS_stat, "file", 8L));
    int pair[2];
    NEED(pipe(pair));
    SHOW(fstat(pair[0], &s));
    CHECK(S_ISFIFO(s.st_mode));
    unlink("file"), unlink("hard"), unlink("link"), unlink("fifo"), rmdir("dir");
    return 0;
}
