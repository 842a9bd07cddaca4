// inotify tells of renames with a common cookie, of a node's own end, and ends watches with it.
#include "check.h"
#include <sys/inotify.h>
static int fd;
static void drain(void) {
    char bytes[4096] __attribute__((aligned(8)));
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n == -1) { printf("-1 %s\n", error_name(errno)); return; }
    uint32_t cookie = 0;
    for (char *at = bytes; at < bytes + n;) {
        struct inotify_event *e = (void *)at;
        printf("wd %d mask %x %s name %s\n", e->wd, e->mask, e->cookie == 0 ? "-" : e->cookie == cookie ? "same" : "new", e->len ? e->name : "");
        cookie = e->cookie;
        at += sizeof *e + e->len;
    }
}
int main(void) {
    enter_scratch();
    mkdir("d", 0755), mkdir("e", 0755);
    put_file("d/f", "f");
    fd = NEED(inotify_init1(IN_NONBLOCK));
    SHOW(inotify_add_watch(fd, "d", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(fd, "e", IN_MOVE));
    SHOW(inotify_add_watch(fd, "d/f", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_MODIFY));
    rename("d/f", "e/g");
    drain();
    int w = open("e/g", O_WRONLY | O_APPEND);
    write(w, "x", 1);
    write(w, "y", 1);
    close(w);
    drain();
    chmod("e/g", 0600);
    unlink("e/g");
    drain();
    mkdir("d/sub", 0755);
    rmdir("d/sub");
    drain();
    SHOW(inotify_rm_watch(fd, 2));
    SHOW(inotify_rm_watch(fd, 2));
    drain();
    rmdir("d");
    drain();
    SHOW(inotify_add_watch(fd, "e", IN_ONLYDIR | IN_CREATE | IN_ONESHOT));
    put_file("e/1", "1");
    put_file("e/2", "1");
    drain();
    SHOW(inotify_add_watch(fd, "e/1", IN_ONLYDIR | IN_CREATE));
    SHOW(inotify_add_watch(fd, "e", 0));
    SHOW(inotify_add_watch(0, "e", IN_CREATE));
    unlink("e/1"), unlink("e/2"), rmdir("e");
    return 0;
}
