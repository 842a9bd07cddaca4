// inotify reports what happens in a directory.
#include "check.h"
#include <sys/inotify.h>
int main(void) {
    enter_scratch();
    int fd = NEED(inotify_init1(IN_NONBLOCK));
    SHOW(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_CLOSE_WRITE) > 0);
    SHOW(inotify_add_watch(fd, "absent", IN_CREATE));
    put_file("f", "x");
    unlink("f");
    char bytes[4096];
    ssize_t got = read(fd, bytes, sizeof bytes);
    for (char *at = bytes; got > 0 && at < bytes + got;) {
        struct inotify_event *event = (void *)at;
        printf("%x %s\n", event->mask, event->len ? event->name : "");
        at += sizeof *event + event->len;
    }
    SHOW(read(fd, bytes, sizeof bytes));
    return 0;
}
