// What inotify tells of a file and a directory that get and lose names, and of what they replace.
#include "check.h"
#include <poll.h>
#include <sys/inotify.h>
static int fd;
static void drain(const char *what) {
    char bytes[4096] __attribute__((aligned(8)));
    struct pollfd wait = {fd, POLLIN, 0};
    printf("%s:", what);
    while (poll(&wait, 1, 20) > 0) {
        ssize_t got = read(fd, bytes, sizeof bytes);
        for (char *at = bytes; got > 0 && at < bytes + got;) {
            struct inotify_event *event = (void *)at;
            printf(" %d:%x%s%s", event->wd, event->mask, event->len ? "=" : "", event->len ? event->name : "");
            at += sizeof *event + event->len;
        }
    }
    puts("");
}
static void watch(const char *path) { printf("%s is %d\n", path, inotify_add_watch(fd, path, IN_ALL_EVENTS)); }
int main(void) {
    enter_scratch();
    fd = NEED(inotify_init());
    put_file("f", ""), mkdir("d", 0755);
    watch("."), watch("f"), watch("d");
    link("f", "g"), drain("link"), unlink("g"), drain("unlink of the other name");
    link("f", "d/g"), drain("link elsewhere"), rename("d/g", "h"), drain("move of the other name"), unlink("h"), drain("unlink");
    rename("f", "i"), drain("rename"), rename("i", "f"), drain("rename back");
    rename("d", "e"), drain("rename of a directory");
    put_file("k", ""), watch("k"), drain("new"), rename("f", "k"), drain("replaces");
    mkdir("x", 0755), mkdir("y", 0755), watch("y"), drain("new"), rename("x", "y"), drain("directory replaces");
    put_file("a", ""), watch("a"), watch("k"), drain("new"), syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "k", 2), drain("exchange");
    chmod("a", 0600), drain("chmod"), unlink("a"), drain("unlink of the last name"), unlink("k"), drain("unlink of the last name");
    rmdir("e"), drain("rmdir"), rmdir("y"), drain("rmdir");
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY);
    read(info, text, sizeof text - 1);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (!strncmp(line, "inotify", 7)) printf("%.12s %s\n", line, strstr(line, "mask:") ? "with a mask" : "without");
    return 0;
}
