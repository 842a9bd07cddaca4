// inotify: masks, cookies, one-shot, deleted watches, moves across directories, overflow of small buffers.
// libc: glibc
#include "check.h"
#include <sys/inotify.h>
static int fd;
static void events(const char *what) {
    char b[4096] __attribute__((aligned(8)));
    int n = read(fd, b, sizeof b), cookie = 0;
    printf("%s:", what);
    if (n < 0) printf(" %s", error_name(errno));
    for (char *at = b; n > 0 && at < b + n;) {
        struct inotify_event *e = (void *)at;
        printf(" [%d %x %s%s]", e->wd, e->mask, e->len ? e->name : "-", e->cookie ? cookie && cookie == e->cookie ? " same" : " cookie" : ""), cookie = e->cookie, at += sizeof *e + e->len;
    }
    printf("\n");
}
int main(void) {
    enter_scratch();
    mkdir("a", 0755), mkdir("b", 0755);
    fd = NEED(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    SHOW(inotify_add_watch(fd, "a", IN_ALL_EVENTS)), SHOW(inotify_add_watch(fd, "b", IN_MOVE | IN_CREATE | IN_DELETE)), events("none"), put_file("a/f", "x"), events("create"), chmod("a/f", 0600), events("chmod"), rename("a/f", "b/g"), events("move"), rename("b/g", "b/h"), events("within"), link("b/h", "a/l"), events("link"), unlink("b/h"), events("unlink"), close(open("a/l", O_RDONLY)), events("open"), truncate("a/l", 0), events("truncate"), mkdir("a/d", 0755), rmdir("a/d"), events("directories"), symlink("x", "a/s"), unlink("a/s"), events("symlink");
    SHOW(inotify_add_watch(fd, "a/l", IN_MODIFY | IN_ONESHOT));
    int w = open("a/l", O_WRONLY);
    write(w, "1", 1), write(w, "2", 1), close(w), events("one shot"), SHOW(inotify_add_watch(fd, "a", IN_DELETE)), SHOW(inotify_add_watch(fd, "a", IN_CREATE | IN_MASK_ADD)), put_file("a/z", "x"), unlink("a/z"), events("changed mask"), SHOW(inotify_add_watch(fd, "a", IN_CREATE | IN_MASK_CREATE)), unlink("a/l"), rmdir("a"), events("directory gone"), SHOW(inotify_rm_watch(fd, 2)), events("removed"), SHOW(inotify_rm_watch(fd, 2)), SHOW(inotify_rm_watch(0, 1)), SHOW(inotify_add_watch(fd, "none", IN_CREATE)), SHOW(inotify_add_watch(fd, "b", 0)), SHOW(inotify_add_watch(0, "b", IN_CREATE)), put_file("f", "x"), SHOW(inotify_add_watch(fd, "f", IN_ONLYDIR | IN_CREATE)), SHOW(inotify_init1(77));
    SHOW(inotify_add_watch(fd, "b", IN_CREATE) > 0), put_file("b/1", ""), SHOW(read(fd, (char[8]){0}, 8)), events("after"), unlink("b/1"), unlink("f"), rmdir("b");
    return 0;
}
