// utimensat: NOW, OMIT, links, directories, bad times; what reading, writing and changing set.
// libc: musl
#include "check.h"
#include <sys/time.h>
static void times_of(const char *path) {
    struct stat s;
    lstat(path, &s), printf("%s %ld.%09ld %ld.%09ld\n", path, (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}
int main(void) {
    enter_scratch();
    put_file("f", "x"), symlink("f", "l"), mkdir("d", 0755);
    struct timespec t[2] = {{1000, 5}, {2000, 999999999}}, omit[2] = {{3000, 0}, {0, UTIME_OMIT}}, bad[2] = {{0, 1000000000}, {0, 0}}, both[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}}, now[2] = {{0, UTIME_NOW}, {5, 5}}, negative[2] = {{-5, 0}, {-1, 7}};
    SHOW(utimensat(AT_FDCWD, "f", t, 0)), times_of("f"), SHOW(utimensat(AT_FDCWD, "f", omit, 0)), times_of("f"), SHOW(utimensat(AT_FDCWD, "f", bad, 0)), SHOW(utimensat(AT_FDCWD, "f", both, 0)), SHOW(utimensat(AT_FDCWD, "none", both, 0)), SHOW(utimensat(AT_FDCWD, "f", now, 0));
    struct stat s;
    stat("f", &s), SHOW(s.st_mtim.tv_sec), CHECK(s.st_atim.tv_sec > 100000), SHOW(utimensat(AT_FDCWD, "f", negative, 0)), times_of("f"), SHOW(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW)), times_of("l"), SHOW(utimensat(AT_FDCWD, "f", t, 8)), SHOW(utimensat(AT_FDCWD, "", t, 0)), SHOW(utimensat(99, "f", t, 0)), SHOW(futimens(99, t)), SHOW(utimensat(AT_FDCWD, NULL, t, 0));
    int fd = NEED(open("f", O_RDWR));
    SHOW(futimens(fd, t)), write(fd, "y", 1), stat("f", &s), CHECK(s.st_mtim.tv_sec > 100000), SHOW(s.st_atim.tv_sec), futimens(fd, t), ftruncate(fd, 1), stat("f", &s), SHOW(s.st_mtim.tv_sec > 100000), futimens(fd, t), chmod("f", 0600), stat("f", &s), SHOW(s.st_mtim.tv_sec), CHECK(s.st_ctim.tv_sec > 100000);
    utimensat(AT_FDCWD, "d", t, 0), close(open("d/x", O_CREAT | O_WRONLY, 0644)), stat("d", &s), CHECK(s.st_mtim.tv_sec > 100000), utimensat(AT_FDCWD, "d", t, 0), unlink("d/x"), stat("d", &s), CHECK(s.st_mtim.tv_sec > 100000);
    struct timeval tv[2] = {{7, 8}, {9, 10}}, badtv[2] = {{0, 1000000}, {0, 0}};
    SHOW(utimes("f", tv)), times_of("f"), SHOW(utimes("f", badtv)), SHOW(lutimes("l", tv)), times_of("l");
    unlink("f"), unlink("l"), rmdir("d");
    return 0;
}
