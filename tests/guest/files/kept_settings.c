// Files below /proc/self that are written keep the value, take every way to write a number, and children inherit it.
#include "children.h"
static void one(const char *path, const char *text) {
    char bytes[64] = "";
    int fd = open(path, O_WRONLY);
    ssize_t wrote = write(fd, text, strlen(text));
    printf("%s <- \"%s\": %s; ", path, text, wrote == -1 ? error_name(errno) : wrote == (ssize_t)strlen(text) ? "taken" : "cut");
    close(fd), fd = open(path, O_RDONLY);
    ssize_t got = read(fd, bytes, sizeof bytes - 1);
    printf("\"%.*s\"\n", got > 0 ? (int)got - 1 : 0, bytes), close(fd);
}
int main(void) {
    static const char *texts[] = {"500", "-1000", "0", "1000", "1001", "-1001", "5000", " 7 ", "0x10", "010", "+5", "x", "", "7x", "99999999999999999999", "300"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) one("/proc/self/oom_score_adj", texts[i]);
    IN_CHILD("a child", one("/proc/self/oom_score_adj", "x"));
    show_file("/proc/self/coredump_filter");
    one("/proc/self/coredump_filter", "0x3f"), one("/proc/self/coredump_filter", "x"), one("/proc/self/coredump_filter", "0x1000");
    IN_CHILD("a child", one("/proc/self/coredump_filter", "x"));
    one("/proc/self/comm", "new name"), one("/proc/self/comm", "a name that is far too long to keep");
    one("/proc/self/timerslack_ns", "60000");
    return 0;
}
