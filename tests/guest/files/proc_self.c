// What a process finds of itself in /proc.
#include "check.h"
#include <dirent.h>
static void line(const char *file, const char *prefix) {
    FILE *f = fopen(file, "r");
    char text[512];
    while (f && fgets(text, sizeof text, f)) if (!strncmp(text, prefix, strlen(prefix))) fputs(text, stdout);
    if (f) fclose(f); else printf("%s: %s\n", file, error_name(errno));
}
static void target(const char *path) {
    char bytes[256] = {0};
    ssize_t n = readlink(path, bytes, sizeof bytes - 1);
    printf("%s -> %s\n", path, n == -1 ? error_name(errno) : bytes);
}
int main(int argc, char **argv) {
    enter_scratch();
    char bytes[4096] = {0};
    int fd = NEED(open("/proc/self/cmdline", O_RDONLY));
    ssize_t n = read(fd, bytes, sizeof bytes);
    CHECK(n == (ssize_t)strlen(argv[0]) + 1 && !strcmp(bytes, argv[0]));
    SHOW(lseek(fd, 0, SEEK_SET));
    CHECK(read(fd, bytes, sizeof bytes) == n);
    CHECK(read(fd, bytes, sizeof bytes) == 0);
    close(fd);
    line("/proc/self/status", "Umask");
    line("/proc/self/status", "Threads");
    line("/proc/self/limits", "Max stack size");
    char cwd[256], here[256] = {0};
    getcwd(cwd, sizeof cwd);
    readlink("/proc/self/cwd", here, sizeof here);
    CHECK(!strcmp(cwd, here));
    target("/proc/self/root");
    put_file("f", "f");
    fd = NEED(open("f", O_RDONLY));
    char path[64];
    sprintf(path, "/proc/self/fd/%d", fd);
    readlink(path, here, sizeof here);
    CHECK(strstr(here, "/f") != NULL);
    unlink("f");
    memset(here, 0, sizeof here);
    readlink(path, here, sizeof here);
    CHECK(strstr(here, "/f (deleted)") != NULL);
    int again = NEED(open(path, O_RDONLY));
    SHOW(read(again, bytes, 10));
    SHOW(open("/proc/self/fd/99", O_RDONLY));
    target("/proc/self/fd/99");
    SHOW(open("/proc/99999999/status", O_RDONLY));
    SHOW(mkdir("/proc/x", 0755));
    SHOW(unlink("/proc/self/status"));
    SHOW(open("/proc/self/status", O_WRONLY));
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir)) count++;
    CHECK(count >= 6);
    closedir(dir);
    fd = NEED(open("/proc/self/comm", O_WRONLY));
    SHOW(write(fd, "renamed", 7));
    show_file("/proc/self/comm");
    int p[2];
    NEED(pipe(p));
    sprintf(path, "/proc/self/fd/%d", p[0]);
    readlink(path, here, sizeof here);
    CHECK(!strncmp(here, "pipe:[", 6));
    int w = NEED(open(path, O_WRONLY | O_NONBLOCK));
    SHOW(write(w, "z", 1));
    SHOW(read(p[0], bytes, 1));
    struct stat a, b;
    stat(path, &a), fstat(p[0], &b);
    CHECK(a.st_ino == b.st_ino && S_ISFIFO(a.st_mode));
    return 0;
}
